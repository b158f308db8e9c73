import { Button } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";
import type { Refusal } from "../api/client.ts";
import { useNow } from "../live/clock.ts";
import type { Loaded } from "../live/resource.ts";
import { t, translated } from "../text/text.ts";
import { duration } from "./figures.ts";
import { Quote } from "./Word.tsx";

const SKELETON_AFTER_MS = 150;

/** What is being loaded; nothing at first, so that fast answers do not flicker. */
export function Skeleton() {
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsShown(true), SKELETON_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return isShown ? (
    <div className="skeleton" role="status" data-state="loading">
      {t("state.loading")}
      <i />
      <i />
      <i />
    </div>
  ) : null;
}

/** What would be here, and the one action that fills it. */
export function Empty({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <div className="empty" data-state="empty">
      <p>{text}</p>
      {children}
    </div>
  );
}

/** What did not work, why, and a way to try again. */
export function Failed({ refusal, reload }: { refusal: Refusal; reload?: () => void }) {
  return (
    <div className="failed" role="alert" data-state="failed">
      <p>
        <strong>
          {refusal.status === 0 ? t("state.unreachable") : (translated("problem", refusal.code) ?? t("state.failed"))}
        </strong>{" "}
        {refusal.status === 0 ? null : <Quote>{refusal.words}</Quote>}
      </p>
      {refusal.errors.map((error) => (
        <p key={error}>
          <Quote>{error}</Quote>
        </p>
      ))}
      {refusal.requestId === null ? null : <p className="faint">{t("state.request", { id: refusal.requestId })}</p>}
      {reload === undefined ? null : (
        <Button size="xs" variant="default" onClick={reload}>
          {t("state.retry")}
        </Button>
      )}
    </div>
  );
}

function Stale({ sinceMs, reload }: { sinceMs: number; reload: () => void }) {
  const nowMs = useNow();
  return (
    <div className="banner stale" role="status" data-state="stale">
      {t("state.stale", { age: duration(nowMs - sinceMs) })}{" "}
      <Button size="compact-xs" variant="default" onClick={reload}>
        {t("state.retry")}
      </Button>
    </div>
  );
}

interface Shown<T> {
  of: Loaded<T>;
  isEmpty?: (value: T) => boolean;
  empty?: ReactNode;
  children: (value: T) => ReactNode;
}

/** A resource in whichever of the five states it is: empty, loading, stale, failed, forbidden; else its value. */
export function Show<T>({ of, isEmpty, empty, children }: Shown<T>) {
  const { state, reload } = of;
  switch (state.kind) {
    case "loading":
      return <Skeleton />;
    case "failed":
      return <Failed refusal={state.refusal} reload={reload} />;
    case "forbidden":
      return (
        <div className="empty" data-state="forbidden">
          <p>{t("state.forbidden")}</p>
          <p>
            <Quote>{state.refusal.words}</Quote>
          </p>
        </div>
      );
    case "ready":
      return (
        <div className={state.staleSinceMs === null ? "ready" : "ready outdated"} data-state="ready">
          {state.staleSinceMs === null ? null : <Stale sinceMs={state.staleSinceMs} reload={reload} />}
          {isEmpty?.(state.value) === true ? empty : children(state.value)}
        </div>
      );
  }
}
