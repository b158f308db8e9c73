/** The keyboard map: sequences begun by g, single letters, and Escape twice. */

import { useEffect } from "react";
import { currentDisplay } from "../live/display.ts";

export type Act = "open" | "help" | "find" | "emergency" | "down" | "up";

/** Paths by the letter after g. */
export const PLACES: ReadonlyMap<string, string> = new Map([
  ["n", "/"],
  ["s", "/strategies"],
  ["i", "/signals"],
  ["o", "/orders"],
  ["h", "/sessions"],
  ["r", "/risk"],
  ["y", "/system"],
  [",", "/settings"],
]);

const ACTS: ReadonlyMap<string, Act> = new Map([
  ["?", "help"],
  ["/", "find"],
  ["j", "down"],
  ["k", "up"],
  ["Enter", "open"],
]);

const TWICE_MS = 1000;
const SEQUENCE_MS = 1500;

export interface Pressed {
  readonly key: string;
  readonly isShift: boolean;
  readonly isControl: boolean;
  readonly isInField: boolean;
  readonly hasLayer: boolean;
  readonly atMs: number;
}

export type Meaning = { kind: "none" } | { kind: "go"; path: string } | { kind: "act"; act: Act };

const NONE: Meaning = { kind: "none" };

/** What keys mean, one after the other. */
export class KeyReader {
  private begunMs = -Infinity;
  private escapedMs = -Infinity;

  constructor(private readonly hasLetters: () => boolean) {}

  read(pressed: Pressed): Meaning {
    if (pressed.key === "Escape") {
      return this.escape(pressed);
    }
    this.escapedMs = -Infinity;
    if (pressed.isControl) {
      return pressed.key === "k" && !pressed.hasLayer ? { kind: "act", act: "find" } : NONE;
    }
    if (pressed.isInField || pressed.hasLayer || !this.hasLetters()) {
      return NONE;
    }
    if (pressed.atMs - this.begunMs < SEQUENCE_MS) {
      this.begunMs = -Infinity;
      const path = PLACES.get(pressed.key);
      return path === undefined ? NONE : { kind: "go", path };
    }
    if (pressed.key === "g") {
      this.begunMs = pressed.atMs;
      return NONE;
    }
    const act = ACTS.get(pressed.key);
    return act === undefined ? NONE : { kind: "act", act };
  }

  private escape(pressed: Pressed): Meaning {
    if (pressed.isShift) {
      return { kind: "act", act: "emergency" };
    }
    if (pressed.hasLayer || pressed.isInField) {
      this.escapedMs = -Infinity;
      return NONE;
    }
    const isSecond = pressed.atMs - this.escapedMs < TWICE_MS;
    this.escapedMs = isSecond ? -Infinity : pressed.atMs;
    return isSecond ? { kind: "act", act: "emergency" } : NONE;
  }
}

const listeners = new Set<(act: Act) => void>();

/** Hear an act of the keyboard while shown. */
export function useAct(act: Act, call: () => void): void {
  useEffect(() => {
    const hear = (heard: Act) => {
      if (heard === act) {
        call();
      }
    };
    listeners.add(hear);
    return () => {
      listeners.delete(hear);
    };
  }, [act, call]);
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable=true]") !== null;
}

/** Read the keyboard for as long as the frame is shown. */
export function useKeyboard(go: (path: string) => void): void {
  useEffect(() => {
    const reader = new KeyReader(() => currentDisplay().hasLetters);
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing || event.altKey || event.repeat) {
        return;
      }
      const meaning = reader.read({
        key: event.key,
        isShift: event.shiftKey && event.key === "Escape",
        isControl: event.ctrlKey || event.metaKey,
        isInField: isField(event.target),
        hasLayer: document.querySelector("[role=dialog]") !== null,
        atMs: event.timeStamp,
      });
      if (meaning.kind === "go") {
        event.preventDefault();
        go(meaning.path);
      } else if (meaning.kind === "act") {
        event.preventDefault();
        listeners.forEach((hear) => hear(meaning.act));
      }
    };
    // While the event comes down, so that a dialog which Escape closes is still there when the key is read.
    window.addEventListener("keydown", onKey, { capture: true });
    return () => window.removeEventListener("keydown", onKey, { capture: true });
  }, [go]);
}
