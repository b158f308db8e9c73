import { NativeSelect } from "@mantine/core";
import { useState } from "react";
import { stopSession } from "../api/calls.ts";
import type { Status } from "../api/told.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { counted, t } from "../text/text.ts";

/** End a session: positions kept with their stops, or closed first. */
export function StopSession({ status, onClose }: { status: Status; onClose: () => void }) {
  const [isFlat, setIsFlat] = useState(true);
  const positions = counted("count.positions", status.positions.length);
  return (
    <Confirm
      title={t("stop.title", { session: status.session.id })}
      action={t("session.stop")}
      isSafe
      onClose={onClose}
      act={async (key) => {
        await stopSession(status.session.id, isFlat ? "flatten" : "keep", key);
      }}
    >
      <p>
        {t(isFlat ? "stop.flatten" : "stop.keep", { positions, orders: counted("count.orders", status.orders.length) })}
      </p>
      <NativeSelect
        label={t("stop.how")}
        value={isFlat ? "flatten" : "keep"}
        onChange={(event) => setIsFlat(event.currentTarget.value === "flatten")}
        data={[
          { value: "flatten", label: t("stop.how.flatten") },
          { value: "keep", label: t("stop.how.keep") },
        ]}
      />
    </Confirm>
  );
}
