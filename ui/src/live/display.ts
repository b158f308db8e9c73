/** What the user chose of the display; kept in this browser. */

import { useSyncExternalStore } from "react";

export interface Display {
  readonly isUtc: boolean;
  readonly isCompact: boolean;
  /** Whether single letters are keys of the application. */
  readonly hasLetters: boolean;
  readonly isSilent: boolean;
}

const STORED = "tightloop.display";
const FIRST: Display = { isUtc: true, isCompact: false, hasLetters: true, isSilent: false };
const waiting = new Set<() => void>();

function read(): Display {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    const found = typeof kept === "object" && kept !== null ? new Map<string, unknown>(Object.entries(kept)) : null;
    const choice = (name: keyof Display): boolean => {
      const value = found?.get(name);
      return typeof value === "boolean" ? value : FIRST[name];
    };
    return {
      isUtc: choice("isUtc"),
      isCompact: choice("isCompact"),
      hasLetters: choice("hasLetters"),
      isSilent: choice("isSilent"),
    };
  } catch {
    return FIRST; // what is stored is of another version
  }
}

let display = read();

export function setDisplay(change: Partial<Display>): void {
  display = { ...display, ...change };
  localStorage.setItem(STORED, JSON.stringify(display));
  waiting.forEach((wake) => wake());
}

export function currentDisplay(): Display {
  return display;
}

export function useDisplay(): Display {
  return useSyncExternalStore(
    (wake) => {
      waiting.add(wake);
      return () => waiting.delete(wake);
    },
    () => display,
  );
}
