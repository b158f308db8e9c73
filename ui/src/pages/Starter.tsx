import { Button, NativeSelect } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { startDefaults, startSession, strategies, venues } from "../api/calls.ts";
import type { Start, StrategyRow, Venue } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { t } from "../text/text.ts";

const NO_STREAMS: readonly string[] = [];

interface Choice {
  readonly strategies: readonly StrategyRow[];
  readonly venues: readonly Venue[];
}

async function readChoice(signal: AbortSignal): Promise<Choice> {
  const [found, places] = await Promise.all([strategies(signal), venues(signal)]);
  return { strategies: found.filter((row) => row.problem === null), venues: places };
}

function Chosen({ choice, onStarted }: { choice: Choice; onStarted: () => void }) {
  const [strategy, setStrategy] = useState(choice.strategies[0]?.id ?? "");
  const [venue, setVenue] = useState(choice.venues[0]?.venue ?? "");
  const [asked, setAsked] = useState<Start | null>(null);
  const prepare = async () => {
    const defaults = await startDefaults(strategy);
    setAsked({ ...defaults, mode: "paper", strategies: [strategy], venue });
  };
  return (
    <div className="row starter">
      <NativeSelect
        label={t("start.strategy")}
        value={strategy}
        onChange={(event) => setStrategy(event.currentTarget.value)}
        data={choice.strategies.map((row) => ({ value: row.id, label: row.id }))}
      />
      <NativeSelect
        label={t("start.venue")}
        value={venue}
        onChange={(event) => setVenue(event.currentTarget.value)}
        data={choice.venues.map((row) => ({
          value: row.venue,
          label: row.is_sandbox ? `${row.venue} (${t("start.sandbox")})` : row.venue,
        }))}
      />
      <Button onClick={() => void prepare()}>{t("start.paper")}</Button>
      {asked === null ? null : (
        <Confirm
          title={t("start.title")}
          action={t("start.act")}
          isSafe
          color="blue.8"
          onClose={() => setAsked(null)}
          act={async (key) => {
            await startSession(asked, key);
            onStarted();
          }}
        >
          <dl className="facts">
            <dt>{t("start.mode")}</dt>
            <dd>{t("mode.paper")}</dd>
            <dt>{t("start.strategy")}</dt>
            <dd lang="en">{asked.strategies.join(", ")}</dd>
            <dt>{t("start.venue")}</dt>
            <dd>{asked.venue}</dd>
            <dt>{t("start.instruments")}</dt>
            <dd>
              {(asked.instruments ?? []).length === 0 ? t("start.of_file") : (asked.instruments ?? []).join(", ")}
            </dd>
          </dl>
          <p className="faint">{t("start.what")}</p>
        </Confirm>
      )}
    </div>
  );
}

/** Start a paper session in two clicks: what, and yes. */
export function Starter({ onStarted }: { onStarted: () => void }) {
  const loaded = useResource(readChoice, NO_STREAMS);
  return (
    <Show
      of={loaded}
      isEmpty={(choice) => choice.strategies.length === 0}
      empty={
        <Empty text={t("start.no_strategy")}>
          <Link href="/strategies">{t("start.write")}</Link>
        </Empty>
      }
    >
      {(choice) => <Chosen choice={choice} onStarted={onStarted} />}
    </Show>
  );
}
