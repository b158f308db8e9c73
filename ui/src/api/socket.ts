/** The WebSocket: opened again for ever, resumed where it was; values go to the store, rows wake those who show them. */

import { clock } from "../live/clock.ts";
import { LiveStore } from "../live/store.ts";
import { toMs } from "../live/freshness.ts";

export const live = new LiveStore((flush) => requestAnimationFrame(flush));

export type Link = "connecting" | "open" | "lost";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const PING_MS = 10_000;
const SILENCE_MS = 25_000;
const GATHER_MS = 50;

/** Those who show what a stream tells of; woken once for what comes close together. */
class Changes {
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly due = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  listen(streams: readonly string[], wake: () => void): () => void {
    for (const stream of streams) {
      this.listeners.set(stream, (this.listeners.get(stream) ?? new Set()).add(wake));
    }
    socket.follow(streams);
    return () => {
      this.due.delete(wake);
      streams.forEach((stream) => this.listeners.get(stream)?.delete(wake));
      socket.unfollow(streams.filter((stream) => (this.listeners.get(stream)?.size ?? 0) === 0));
    };
  }

  tell(stream: string): void {
    this.listeners.get(stream)?.forEach((wake) => this.due.add(wake));
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const due = [...this.due];
      this.due.clear();
      due.forEach((wake) => wake());
    }, GATHER_MS);
  }

  tellAll(): void {
    [...this.listeners.keys()].forEach((stream) => this.tell(stream));
  }
}

type ServerMessage =
  | { type: "hello"; server_time_ns: string; boot_id: string }
  | { type: "snapshot"; stream: string; seq: number | string; state: unknown }
  | { type: "delta"; stream: string; seq: number | string; from_seq: number | string }
  | { type: "values"; entries: [string, string | null, string, number][] }
  | { type: "gap"; stream: string }
  | { type: "pong"; server_time_ns?: string }
  | { type: "notice"; level: string; code: string; text: string }
  | { type: "bye"; reason: string; retry_ms?: number };

class Socket {
  private link: WebSocket | null = null;
  private isWanted = false;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private pinging: ReturnType<typeof setInterval> | undefined;
  private askedMs = 0;
  private heardMs = 0;
  private bootId = "";
  private readonly followed = new Set<string>();
  private readonly last = new Map<string, number>();
  private readonly watchers = new Set<() => void>();
  state: Link = "connecting";
  /** When the socket was lost; null while it is open. */
  lostMs: number | null = null;

  watch(wake: () => void): () => void {
    this.watchers.add(wake);
    return () => this.watchers.delete(wake);
  }

  open(): void {
    this.isWanted = true;
    this.connect();
  }

  close(): void {
    this.isWanted = false;
    clearTimeout(this.retry);
    this.link?.close();
  }

  follow(streams: readonly string[]): void {
    const fresh = streams.filter((stream) => !this.followed.has(stream));
    fresh.forEach((stream) => this.followed.add(stream));
    this.subscribe(fresh);
  }

  unfollow(streams: readonly string[]): void {
    for (const stream of streams) {
      if (this.followed.delete(stream)) {
        this.last.delete(stream);
        this.send({ type: "unsubscribe", id: stream });
      }
    }
  }

  /** Try at once, as when the machine is online again or the tab is looked at. */
  readonly hurry = (): void => {
    if (this.isWanted && this.link === null) {
      clearTimeout(this.retry);
      this.connect();
    }
  };

  private connect(): void {
    if (!this.isWanted || this.link !== null) {
      return;
    }
    const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
    const link = new WebSocket(address, "tightloop.v1");
    this.link = link;
    link.onmessage = (event: MessageEvent<string>) => this.take(JSON.parse(event.data) as ServerMessage);
    link.onclose = () => this.lost(link);
  }

  private lost(link: WebSocket): void {
    if (this.link !== link) {
      return;
    }
    this.link = null;
    clearInterval(this.pinging);
    this.lostMs ??= Date.now();
    this.become("lost");
    if (this.isWanted) {
      const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
      this.failures += 1;
      this.retry = setTimeout(() => this.connect(), waitMs * (0.5 + Math.random() / 2));
    }
  }

  private become(state: Link): void {
    this.state = state;
    this.watchers.forEach((wake) => wake());
  }

  private take(message: ServerMessage): void {
    this.heardMs = Date.now();
    switch (message.type) {
      case "hello":
        this.greet(message.server_time_ns, message.boot_id);
        break;
      case "snapshot":
        this.last.set(message.stream, Number(message.seq));
        changes.tell(message.stream);
        break;
      case "delta":
        if (Number(message.seq) > (this.last.get(message.stream) ?? -1)) {
          this.last.set(message.stream, Number(message.seq));
          changes.tell(message.stream);
        }
        break;
      case "values":
        if (document.visibilityState !== "hidden") {
          message.entries.forEach(([key, value, ts, cadenceMs]) => live.put(key, { value, atMs: toMs(ts), cadenceMs }));
        }
        break;
      case "pong":
        if (message.server_time_ns !== undefined) {
          clock.learn(this.askedMs, this.heardMs, toMs(message.server_time_ns) ?? 0);
        }
        break;
      case "gap": // the snapshot that follows tells all
      case "notice":
      case "bye": // the close follows
        break;
    }
  }

  private greet(serverTime: string, bootId: string): void {
    if (bootId !== this.bootId) {
      this.bootId = bootId;
      this.last.clear();
    }
    this.failures = 0;
    this.lostMs = null;
    clock.reset();
    clock.learn(this.heardMs, this.heardMs, toMs(serverTime) ?? 0);
    this.become("open");
    this.subscribe([...this.followed]);
    changes.tellAll();
    this.ping();
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.ping(), PING_MS);
  }

  private ping(): void {
    if (Date.now() - this.heardMs > SILENCE_MS) {
      this.link?.close();
      return;
    }
    this.askedMs = Date.now();
    this.send({ type: "ping" });
  }

  private subscribe(streams: readonly string[]): void {
    for (const stream of streams) {
      const after = this.last.get(stream);
      this.send({ type: "subscribe", id: stream, stream, params: {}, ...(after === undefined ? {} : { after }) });
    }
  }

  private send(message: unknown): void {
    if (this.link?.readyState === WebSocket.OPEN && this.bootId !== "") {
      this.link.send(JSON.stringify(message));
    }
  }
}

export const socket = new Socket();
export const changes = new Changes();

if (globalThis.window !== undefined) {
  window.addEventListener("online", socket.hurry);
  document.addEventListener("visibilitychange", socket.hurry);
}
