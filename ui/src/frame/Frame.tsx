import { Button } from "@mantine/core";
import { lazy, Suspense, useCallback, useState, useSyncExternalStore } from "react";
import { Link as Anchor, Route, Switch, useLocation } from "wouter";
import { killState, type User } from "../api/calls.ts";
import { socket } from "../api/socket.ts";
import { useNow } from "../live/clock.ts";
import { useDisplay } from "../live/display.ts";
import { useResource } from "../live/resource.ts";
import { useReadWorld, WorldContext, type World } from "../live/world.ts";
import { Now } from "../pages/Now.tsx";
import { Skeleton } from "../parts/States.tsx";
import { duration, timeOfDay } from "../parts/figures.ts";
import { t, translated, type Key } from "../text/text.ts";
import { Alarm } from "./Alarm.tsx";
import { AnswerLine, SpokenAnswer } from "./AnswerLine.tsx";
import { useAct, useKeyboard } from "./keys.ts";

const Sessions = lazy(() => import("../pages/Sessions.tsx"));
const Session = lazy(() => import("../pages/Session.tsx"));
const Strategies = lazy(() => import("../pages/Strategies.tsx"));
const Signals = lazy(() => import("../pages/Signals.tsx"));
const Orders = lazy(() => import("../pages/Orders.tsx"));
const Risk = lazy(() => import("../pages/Risk.tsx"));
const System = lazy(() => import("../pages/System.tsx"));
const Settings = lazy(() => import("../pages/Settings.tsx"));
const Emergency = lazy(() => import("./Emergency.tsx"));
const Help = lazy(() => import("./Help.tsx"));
const Find = lazy(() => import("./Find.tsx"));

const PAGES: readonly (readonly [string, Key, string])[] = [
  ["/", "page.now", "n"],
  ["/strategies", "page.strategies", "s"],
  ["/signals", "page.signals", "i"],
  ["/orders", "page.orders", "o"],
  ["/sessions", "page.sessions", "h"],
  ["/risk", "page.risk", "r"],
  ["/system", "page.system", "y"],
  ["/settings", "page.settings", ","],
];

const RISK = ["risk"];
const KILL_EVERY_MS = 5000;

function useLink() {
  return useSyncExternalStore(
    (wake) => socket.watch(wake),
    () => socket.state,
  );
}

/** Open sessions decide the colour and the word: live before paper, nothing while there is none. */
function modeOf(world: World | null): string {
  const modes = new Set((world?.sessions ?? []).map((session) => session.mode));
  return ["live", "paper", "sandbox"].find((mode) => modes.has(mode)) ?? "none";
}

function Ribbon({ world }: { world: World | null }) {
  const mode = modeOf(world);
  const account = world?.sessions.find((session) => session.mode === "live")?.account;
  const word = translated("mode", mode) ?? mode;
  return (
    <div className="ribbon" data-ribbon>
      {mode === "live" && account !== null && account !== undefined ? `${word} ${account}` : word}
    </div>
  );
}

function LinkState({ isLost }: { isLost: boolean }) {
  const nowMs = useNow();
  const { isUtc } = useDisplay();
  const since = socket.lostMs;
  return (
    <>
      <span className={isLost ? "link lost" : "link"} data-link={isLost ? "lost" : "open"}>
        {isLost ? t("link.lost", { age: duration(since === null ? 0 : nowMs - since) }) : t("link.open")}
      </span>
      <span className="clock">
        {timeOfDay(nowMs, isUtc)} {isUtc ? "UTC" : t("clock.local")}
      </span>
    </>
  );
}

function Rail() {
  const [path] = useLocation();
  return (
    <div className="rail">
      <nav aria-label={t("frame.pages")}>
        {PAGES.map(([to, name, letter]) => {
          const isHere = to === "/" ? path === "/" : path.startsWith(to);
          return (
            <Anchor key={to} href={to} aria-current={isHere ? "page" : undefined}>
              {t(name)} <kbd aria-hidden="true">g {letter}</kbd>
            </Anchor>
          );
        })}
      </nav>
    </div>
  );
}

type Layer = "emergency" | "help" | "find" | null;

/** What is on every page: mode, answer, link, alarm, emergency stop, and the ways to the other pages. */
export function Frame({ user, onLeave }: { user: User; onLeave: () => void }) {
  const world = useReadWorld();
  const [layer, setLayer] = useState<Layer>(null);
  const [path, go] = useLocation();
  const link = useLink();
  const { isCompact } = useDisplay();
  const isLost = link === "lost";
  const kill = useResource(killState, RISK, KILL_EVERY_MS).state;
  const isStopped = kill.kind === "ready" && (kill.value.engaged.length > 0 || !kill.value.is_readable);
  useKeyboard(go);
  useAct(
    "emergency",
    useCallback(() => setLayer("emergency"), []),
  );
  useAct(
    "help",
    useCallback(() => setLayer("help"), []),
  );
  useAct(
    "find",
    useCallback(() => setLayer("find"), []),
  );
  const close = () => setLayer(null);
  return (
    <WorldContext value={world}>
      <a className="skip" href="#page">
        {t("frame.skip")}
      </a>
      <div className={isCompact ? "frame compact" : "frame"} data-mode={modeOf(world)}>
        <header className="bar">
          <Ribbon world={world} />
          {world === null ? (
            <div className="answer" data-answer>
              {isLost ? <span className="loss">{t("answer.lost")}</span> : null}
              <span>{t("answer.not_known")}</span>
            </div>
          ) : (
            <AnswerLine world={world} isLost={isLost} isStopped={isStopped} />
          )}
          <SpokenAnswer world={world} isLost={isLost} />
          <LinkState isLost={isLost} />
          <Alarm />
          <Button
            color="red.9"
            size="compact-md"
            onClick={() => setLayer("emergency")}
            aria-keyshortcuts="Shift+Escape"
          >
            {t("kill.button")}
          </Button>
        </header>
        <Rail />
        <main className={isLost ? "page outdated" : "page"} id="page" tabIndex={-1} key={path}>
          <Suspense fallback={<Skeleton />}>
            <Switch>
              <Route path="/" component={Now} />
              <Route path="/sessions" component={Sessions} />
              <Route path="/sessions/:id">{({ id }) => <Session id={id} />}</Route>
              <Route path="/strategies/:id?">{({ id }) => <Strategies id={id ?? null} />}</Route>
              <Route path="/signals" component={Signals} />
              <Route path="/orders" component={Orders} />
              <Route path="/risk">
                <Risk user={user} />
              </Route>
              <Route path="/system" component={System} />
              <Route path="/settings">
                <Settings user={user} onLeave={onLeave} />
              </Route>
              <Route>
                <h1>{t("page.none")}</h1>
              </Route>
            </Switch>
          </Suspense>
        </main>
        <Suspense>
          {layer === "emergency" ? <Emergency world={world} onClose={close} onDone={() => go("/risk")} /> : null}
          {layer === "help" ? <Help onClose={close} /> : null}
          {layer === "find" ? <Find world={world} onClose={close} go={go} /> : null}
        </Suspense>
      </div>
    </WorldContext>
  );
}
