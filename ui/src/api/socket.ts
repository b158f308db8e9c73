/** The WebSocket: opened again for ever, resumed where it was. Values go to one store, rows to another. */

import { clock } from "../live/clock.ts";
import { toMs } from "../live/freshness.ts";
import { isAfter, RowStore } from "../live/rows.ts";
import { LiveStore } from "../live/store.ts";
import type { components } from "./schema.d.ts";

type ServerMessage = components["schemas"]["ServerMessage"];
type ClientMessage = components["schemas"]["ClientMessage"];

export type Link = "connecting" | "open" | "lost";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const PING_MS = 5_000;
const SILENCE_MS = 12_000;

export const live = new LiveStore((flush) => requestAnimationFrame(flush));
export const rows = new RowStore((flush) => requestAnimationFrame(flush));

class Socket {
  private link: WebSocket | null = null;
  private isWanted = false;
  private isGreeted = false;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private pinging: ReturnType<typeof setInterval> | undefined;
  private gathering = false;
  private askedMs = 0;
  private heardMs = 0;
  private bootId = "";
  private readonly users = new Map<string, number>();
  private readonly subscribed = new Set<string>();
  private readonly watchers = new Set<() => void>();
  state: Link = "connecting";
  /** Since when there is no connection, by the server's clock; null while there is one. */
  lostMs: number | null = null;

  watch(wake: () => void): () => void {
    this.watchers.add(wake);
    return () => this.watchers.delete(wake);
  }

  open(): void {
    this.isWanted = true;
    this.connect();
  }

  /** End it and forget what it told: somebody else may log in. */
  close(): void {
    this.isWanted = false;
    clearTimeout(this.retry);
    this.link?.close();
    this.bootId = "";
    live.clear();
    rows.clear();
  }

  /** Follow streams until the function that is returned is called. */
  follow(streams: readonly string[]): () => void {
    streams.forEach((stream) => this.users.set(stream, (this.users.get(stream) ?? 0) + 1));
    this.arrange();
    return () => {
      streams.forEach((stream) => this.users.set(stream, (this.users.get(stream) ?? 1) - 1));
      this.arrange();
    };
  }

  /** Try at once, as when the machine is online again or the tab is looked at. */
  readonly hurry = (): void => {
    if (this.isWanted && this.link === null && document.visibilityState !== "hidden") {
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
    this.heardMs = Date.now();
    link.onmessage = (event: MessageEvent<string>) => this.take(JSON.parse(event.data) as ServerMessage);
    link.onclose = () => this.lose(link);
  }

  private lose(link: WebSocket): void {
    if (this.link !== link) {
      return;
    }
    this.link = null;
    this.isGreeted = false;
    this.subscribed.clear();
    clearInterval(this.pinging);
    this.lostMs ??= clock.nowMs();
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
        rows.replace(message.stream, message.seq, message.state);
        break;
      case "delta":
        if (isAfter(message.seq, rows.place(message.stream))) {
          rows.change(message.stream, message.seq, message.changes);
        }
        break;
      case "values":
        if (document.visibilityState !== "hidden") {
          message.entries.forEach((entry) =>
            live.put(`${message.stream} ${entry.key}`, {
              value: entry.value,
              atMs: toMs(entry.ts_ns),
              cadenceMs: entry.cadence_ms,
            }),
          );
        }
        break;
      case "pong":
        clock.learn(this.askedMs, this.heardMs, toMs(message.server_time_ns) ?? 0);
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
      rows.forgetPlaces();
    }
    this.isGreeted = true;
    this.failures = 0;
    this.lostMs = null;
    clock.reset();
    clock.learn(this.heardMs, this.heardMs, toMs(serverTime) ?? 0);
    this.become("open");
    this.arrange();
    this.ping();
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.ping(), PING_MS);
  }

  private ping(): void {
    if (Date.now() - this.heardMs > SILENCE_MS) {
      const { link } = this;
      link?.close();
      if (link !== null) {
        this.lose(link); // a dead network tells of no close
      }
      return;
    }
    this.askedMs = Date.now();
    this.send({ type: "ping", id: "" });
  }

  /** Say once, for all who come and go in this moment, what is followed. */
  private arrange(): void {
    if (this.gathering) {
      return;
    }
    this.gathering = true;
    queueMicrotask(() => {
      this.gathering = false;
      this.settle();
    });
  }

  private settle(): void {
    if (!this.isGreeted) {
      return;
    }
    const wanted = [...this.users].filter(([, count]) => count > 0).map(([stream]) => stream);
    const fresh = wanted.filter((stream) => !this.subscribed.has(stream));
    const left = [...this.subscribed].filter((stream) => !wanted.includes(stream));
    if (left.length > 0) {
      this.send({ type: "unsubscribe", streams: left });
      left.forEach((stream) => {
        this.subscribed.delete(stream);
        rows.drop(stream);
      });
    }
    if (fresh.length > 0) {
      fresh.forEach((stream) => this.subscribed.add(stream));
      this.send({ type: "subscribe", streams: fresh.map((stream) => ({ stream, after: rows.place(stream) })) });
    }
  }

  private send(message: ClientMessage): void {
    if (this.link?.readyState === WebSocket.OPEN) {
      this.link.send(JSON.stringify(message));
    }
  }
}

export const socket = new Socket();

window.addEventListener("online", socket.hurry);
document.addEventListener("visibilitychange", socket.hurry);
