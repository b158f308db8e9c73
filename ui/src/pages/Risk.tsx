import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { acknowledge, confirmPassword, killState, rearm, riskEvents, type User } from "../api/calls.ts";
import { useResource } from "../live/resource.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { counted, t } from "../text/text.ts";

const EVERY_MS = 5000;
const STREAMS = ["risk"];

function Rearm({ scopes, onClose, onDone }: { scopes: readonly string[]; onClose: () => void; onDone: () => void }) {
  const [password, setPassword] = useState("");
  const [reason, setReason] = useState("");
  return (
    <Confirm
      title={t("rearm.title")}
      action={t("rearm.act")}
      isSafe={false}
      isReady={password !== ""}
      onClose={onClose}
      act={async () => {
        await confirmPassword(password);
        for (const scope of scopes) {
          await rearm(scope, reason);
        }
        onDone();
      }}
    >
      <p>{t("rearm.what")}</p>
      <TextInput label={t("kill.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      <PasswordInput
        label={t("login.password")}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": t("login.show") }}
      />
    </Confirm>
  );
}

/** The kill switch with who may lift it, and events until somebody has seen them. */
export default function Risk({ user }: { user: User }) {
  const kill = useResource(killState, STREAMS, EVERY_MS);
  const events = useResource(riskEvents, STREAMS, EVERY_MS);
  const [asks, setAsks] = useState(false);
  return (
    <>
      <h1>{t("page.risk")}</h1>
      <section className="card">
        <h2>{t("risk.kill")}</h2>
        <Show of={kill}>
          {(state) =>
            state.engaged.length === 0 ? (
              <p>{t(state.is_readable ? "risk.armed" : "risk.unreadable")}</p>
            ) : (
              <>
                <div className="banner critical">
                  {t("risk.engaged")} <Quote>{state.engaged.join(", ")}</Quote>
                </div>
                {user.role === "operator" || user.role === "admin" ? (
                  <Button variant="default" onClick={() => setAsks(true)}>
                    {t("rearm.button")}
                  </Button>
                ) : (
                  <p className="faint">{t("rearm.role")}</p>
                )}
                {asks ? <Rearm scopes={state.engaged} onClose={() => setAsks(false)} onDone={kill.reload} /> : null}
              </>
            )
          }
        </Show>
      </section>
      <section className="card">
        <h2>{t("risk.events")}</h2>
        <Show of={events} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("risk.no_events")} />}>
          {(rows) => (
            <>
              <p className="faint">
                {counted("risk.unseen", rows.filter((row) => row.acknowledged_ts === null).length)}
              </p>
              <ul className="steps">
                {rows.map((row) => (
                  <li key={row.id} className="row apart">
                    <span>
                      <Time ts={row.ts} isDated />{" "}
                      <span className={row.severity === "CRITICAL" ? "tag warn" : "tag"}>
                        <Word of="severity" word={row.severity ?? ""} />
                      </span>{" "}
                      {row.instrument ?? ""} <Quote>{row.message ?? row.type ?? ""}</Quote>
                    </span>
                    {row.acknowledged_ts === null ? (
                      <Button
                        size="compact-xs"
                        variant="default"
                        onClick={() => void acknowledge(row.id).then(events.reload)}
                      >
                        {t("risk.seen")}
                      </Button>
                    ) : (
                      <span className="faint">
                        {row.acknowledged_by ?? ""} <Time ts={row.acknowledged_ts} />
                      </span>
                    )}
                  </li>
                ))}
              </ul>
            </>
          )}
        </Show>
      </section>
    </>
  );
}
