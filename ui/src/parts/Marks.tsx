import { Word } from "./Word.tsx";

/** A section by its name, with its colour beside the word. */
export function Section({ name }: { name: string }) {
  return (
    <span className="mark" data-section={name}>
      {name}
    </span>
  );
}

/** PAPER, LIVE or SANDBOX, as a word on its colour. */
export function Mode({ mode }: { mode: string }) {
  return (
    <span className="tag" data-mode={mode}>
      <Word of="mode" word={mode} />
    </span>
  );
}
