import { TextInput } from "@mantine/core";
import { useState } from "react";
import type { World } from "../live/world.ts";
import { t, type Key } from "../text/text.ts";
import { PLACES } from "./keys.ts";
import { Dialog } from "../parts/Dialog.tsx";

const NAMES: ReadonlyMap<string, Key> = new Map([
  ["/", "page.now"],
  ["/strategies", "page.strategies"],
  ["/signals", "page.signals"],
  ["/orders", "page.orders"],
  ["/sessions", "page.sessions"],
  ["/risk", "page.risk"],
  ["/system", "page.system"],
  ["/settings", "page.settings"],
]);

interface Found {
  readonly path: string;
  readonly name: string;
}

function candidates(world: World | null): Found[] {
  const pages = [...PLACES.values()].flatMap((path) => {
    const name = NAMES.get(path);
    return name === undefined ? [] : [{ path, name: t(name) }];
  });
  const sessions = (world?.sessions ?? []).map((session) => ({
    path: `/sessions/${session.id}`,
    name: `${session.id} ${session.strategies.join(" ")} ${session.instruments.join(" ")}`,
  }));
  return [...pages, ...sessions];
}

/** Find a page or a session by a part of its name; Enter opens the first. */
export default function Find({
  world,
  onClose,
  go,
}: {
  world: World | null;
  onClose: () => void;
  go: (path: string) => void;
}) {
  const [text, setText] = useState("");
  const found = candidates(world).filter((each) => each.name.toLowerCase().includes(text.toLowerCase()));
  const open = (path: string) => {
    onClose();
    go(path);
  };
  return (
    <Dialog onClose={onClose} title={t("find.title")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const [first] = found;
          if (first !== undefined) {
            open(first.path);
          }
        }}
      >
        <TextInput
          label={t("find.what")}
          value={text}
          data-autofocus
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <ul className="steps">
          {found.map((each) => (
            <li key={each.path}>
              <a
                href={each.path}
                onClick={(event) => {
                  event.preventDefault();
                  open(each.path);
                }}
              >
                {each.name}
              </a>
            </li>
          ))}
        </ul>
      </form>
    </Dialog>
  );
}
