import { Button } from "@mantine/core";
import { useEffect, useSyncExternalStore } from "react";
import { Link } from "wouter";
import { acknowledge, riskEvents } from "../api/calls.ts";
import { useDisplay } from "../live/display.ts";
import { useResource } from "../live/resource.ts";
import { Quote } from "../parts/Word.tsx";
import { counted, t } from "../text/text.ts";
import { canSound, startAlarm, watchSound } from "./sound.ts";

const EVERY_MS = 5000;
const STREAMS = ["risk"];

/** The bell: how many events nobody has seen; a critical one sounds until somebody has. */
export function Alarm() {
  const { state, reload } = useResource(riskEvents, STREAMS, EVERY_MS);
  const { isSilent } = useDisplay();
  const isUnlocked = useSyncExternalStore(watchSound, canSound);
  const unseen = state.kind === "ready" ? state.value.filter((event) => event.acknowledged_ts === null) : [];
  const critical = unseen.filter((event) => event.severity === "CRITICAL");
  const [first] = critical;
  const isSounding = first !== undefined && !isSilent;
  useEffect(() => (isSounding ? startAlarm() : undefined), [isSounding, isUnlocked]);
  return (
    <>
      <Link href="/risk" className={critical.length > 0 ? "tag warn" : "tag"} data-bell={unseen.length}>
        {counted("bell", unseen.length)}
      </Link>
      {first === undefined ? null : (
        <div className="banner critical alarm" role="alert" data-alarm>
          <Quote>{first.message ?? first.type ?? ""}</Quote>{" "}
          <Button size="compact-xs" variant="default" onClick={() => void acknowledge(first.id).then(reload)}>
            {t("risk.seen")}
          </Button>
          {isSilent || isUnlocked ? null : <span> {t("alarm.locked")}</span>}
        </div>
      )}
    </>
  );
}
