/** Words in the user's language. Keys are those of en.json; a test holds the languages against each other. */

import { useSyncExternalStore } from "react";
import en from "./en.json" with { type: "json" };
import pl from "./pl.json" with { type: "json" };

export type Key = keyof typeof en;
export type Language = "en" | "pl";
type Values = Readonly<Record<string, string | number>>;

const TEXTS: Readonly<Record<Language, Readonly<Record<Key, string>>>> = { en, pl };
const STORED = "tightloop.language";
const waiting = new Set<() => void>();

function isKey(key: string): key is Key {
  return Object.hasOwn(en, key);
}

function firstLanguage(): Language {
  const kept = localStorage.getItem(STORED);
  const asked = kept ?? navigator.language;
  return asked.startsWith("pl") ? "pl" : "en";
}

let language: Language = firstLanguage();

export function setLanguage(chosen: Language): void {
  language = chosen;
  localStorage.setItem(STORED, chosen);
  waiting.forEach((wake) => wake());
}

export function useLanguage(): Language {
  return useSyncExternalStore(
    (wake) => {
      waiting.add(wake);
      return () => waiting.delete(wake);
    },
    () => language,
  );
}

function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The text of a key with its values filled in. */
export function t(key: Key, values: Values = {}): string {
  return filled(TEXTS[language][key], values);
}

/** A count with its noun: the keys end in one, few, many, other as the language needs them. */
export function counted(stem: string, count: number, values: Values = {}): string {
  const form = new Intl.PluralRules(language).select(count);
  return (
    translated(stem, form, { count, ...values }) ?? translated(stem, "other", { count, ...values }) ?? String(count)
  );
}

/** The text of a word of the server; null for one that has no translation, which is then quoted. */
export function translated(stem: string, word: string, values: Values = {}): string | null {
  const key = `${stem}.${word.toLowerCase()}`;
  return isKey(key) ? t(key, values) : null;
}
