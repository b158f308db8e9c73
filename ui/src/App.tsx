import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { onLeft, Refusal } from "./api/client.ts";
import { leave, whoAmI, type User } from "./api/calls.ts";
import { live, socket } from "./api/socket.ts";
import { Frame } from "./frame/Frame.tsx";
import { Login } from "./pages/Login.tsx";
import { Setup } from "./pages/Setup.tsx";
import { Failed, Skeleton } from "./parts/States.tsx";
import { useLanguage } from "./text/text.ts";

type Who =
  | { kind: "asking" }
  | { kind: "nobody" }
  | { kind: "not set up" }
  | { kind: "unreachable"; refusal: Refusal }
  | { kind: "known"; user: User };

const UNAUTHORIZED = 401;

async function find(): Promise<Who> {
  try {
    return { kind: "known", user: await whoAmI() };
  } catch (error) {
    const refusal = Refusal.of(error);
    if (refusal.code === "not_set_up") {
      return { kind: "not set up" };
    }
    return refusal.status === UNAUTHORIZED ? { kind: "nobody" } : { kind: "unreachable", refusal };
  }
}

/** Whoever is here: to be set up, to log in, or known and at work. */
export function App() {
  const [who, setWho] = useState<Who>({ kind: "asking" });
  const [, go] = useLocation();
  const language = useLanguage();
  const ask = () => void find().then(setWho);
  useEffect(ask, []);
  useEffect(() => onLeft(() => setWho({ kind: "nobody" })), []);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const isKnown = who.kind === "known";
  useEffect(() => {
    if (isKnown) {
      socket.open();
      return () => {
        socket.close();
        live.clear();
      };
    }
    return undefined;
  }, [isKnown]);
  switch (who.kind) {
    case "asking":
      return <Skeleton />;
    case "unreachable":
      return (
        <main className="alone">
          <Failed refusal={who.refusal} reload={ask} />
        </main>
      );
    case "not set up":
      return (
        <Setup
          onDone={() => {
            go("/", { replace: true });
            ask();
          }}
        />
      );
    case "nobody":
      return <Login onDone={ask} />;
    case "known":
      return <Frame user={who.user} onLeave={() => void leave().finally(() => setWho({ kind: "nobody" }))} />;
  }
}
