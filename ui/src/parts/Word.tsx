import { translated } from "../text/text.ts";

/** A word of the server in the user's language; one without a translation is quoted as English. */
export function Word({ of, word }: { of: string; word: string }) {
  const text = translated(of, word);
  return text === null ? <Quote>{word.replaceAll("_", " ")}</Quote> : <>{text}</>;
}

/** What only the server can say: text of files, venues and logs. It is English whatever the user reads. */
export function Quote({ children }: { children: string }) {
  return <span lang="en">{children}</span>;
}
