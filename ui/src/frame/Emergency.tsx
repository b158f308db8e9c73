import { TextInput } from "@mantine/core";
import { useState } from "react";
import { killSwitch } from "../api/calls.ts";
import type { World } from "../live/world.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { counted, t } from "../text/text.ts";

const SAID = "FLAT";

/** Close everything: what will happen in numbers; live trading asks to type a word. */
export default function Emergency({
  world,
  onClose,
  onDone,
}: {
  world: World | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const [said, setSaid] = useState("");
  const [reason, setReason] = useState("");
  // What is not known may be live money.
  const isLive = world === null || world.sessions.some((session) => session.mode === "live");
  return (
    <Confirm
      title={t("kill.title")}
      action={t("kill.act")}
      isSafe
      isReady={!isLive || said === SAID}
      onClose={onClose}
      act={async () => {
        await killSwitch(reason === "" ? "emergency stop" : reason);
        onDone();
      }}
    >
      <p>
        {world === null
          ? t("kill.all")
          : t("kill.what", {
              positions: counted("count.positions", world.positions.length),
              orders: counted("count.orders", world.orders.length),
              sessions: counted("count.sessions", world.sessions.length),
            })}
      </p>
      <TextInput label={t("kill.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      {isLive ? (
        <TextInput
          label={t("kill.type", { word: SAID })}
          value={said}
          onChange={(event) => setSaid(event.currentTarget.value)}
        />
      ) : null}
    </Confirm>
  );
}
