import { Button, TextInput } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { saveStrategy, strategies, strategyText, validate } from "../api/calls.ts";
import { Refusal } from "../api/client.ts";
import type { StrategyRow, StrategyText, Verdict } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { Time } from "../parts/Since.tsx";
import { Empty, Failed, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Quote } from "../parts/Word.tsx";
import { counted, t } from "../text/text.ts";

const CHECK_AFTER_MS = 600;
const STREAMS = ["sessions"];

const COLUMNS: readonly Column<StrategyRow>[] = [
  {
    title: "col.strategy",
    cell: (row) => (
      <Link href={`/strategies/${row.id}`} lang="en">
        {row.id}
      </Link>
    ),
  },
  { title: "col.family", cell: (row) => <Quote>{row.family ?? ""}</Quote> },
  { title: "col.version", isNumber: true, cell: (row) => row.version },
  { title: "col.time", isDesk: true, cell: (row) => <Time ts={row.made_ts} isDated /> },
  {
    title: "col.running",
    cell: (row) => (row.running.length === 0 ? t("strategies.idle") : <Quote>{row.running.join(", ")}</Quote>),
  },
  {
    title: "col.problem",
    cell: (row) =>
      row.problem === null ? (
        ""
      ) : (
        <span className="loss" lang="en">
          {row.problem}
        </span>
      ),
  },
];

function Problems({ verdict }: { verdict: Verdict }) {
  return verdict.is_valid ? (
    <p className="gain" role="status" data-verdict="valid">
      {t("builder.valid")}
    </p>
  ) : (
    <div role="status" data-verdict="invalid">
      <p className="loss">{counted("builder.problems", verdict.errors.length)}</p>
      <ul className="steps">
        {verdict.errors.map((error) => (
          <li key={`${String(error.line)} ${error.path} ${error.detail}`}>
            {error.line === null ? null : <strong>{t("builder.line", { line: error.line })} </strong>}
            <Quote>{[error.path, error.detail, error.remedy].filter((part) => part !== "").join(" – ")}</Quote>
          </li>
        ))}
      </ul>
    </div>
  );
}

function useVerdict(yaml: string): { verdict: Verdict | null; refusal: Refusal | null } {
  const [found, setFound] = useState<{ verdict: Verdict | null; refusal: Refusal | null }>({
    verdict: null,
    refusal: null,
  });
  useEffect(() => {
    let isOld = false;
    const timer = setTimeout(() => {
      validate(yaml).then(
        (verdict) => (isOld ? undefined : setFound({ verdict, refusal: null })),
        (error: unknown) => (isOld ? undefined : setFound({ verdict: null, refusal: Refusal.of(error) })),
      );
    }, CHECK_AFTER_MS);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [yaml]);
  return found;
}

function Editor({
  id,
  text,
  onSaved,
}: {
  id: string | null;
  text: StrategyText | null;
  onSaved: (id: string) => void;
}) {
  const [yaml, setYaml] = useState(text?.yaml ?? "");
  const [name, setName] = useState(id ?? "");
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [isSaved, setIsSaved] = useState(false);
  const { verdict, refusal: unchecked } = useVerdict(yaml);
  const save = async () => {
    setRefusal(null);
    setIsSaved(false);
    try {
      await saveStrategy(name, yaml, text?.etag ?? null);
      setIsSaved(true);
      onSaved(name);
    } catch (error) {
      setRefusal(Refusal.of(error));
    }
  };
  return (
    <>
      {id === null ? (
        <TextInput label={t("builder.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      ) : null}
      <label htmlFor="yaml">{t("builder.yaml")}</label>
      <textarea
        id="yaml"
        className="yaml"
        lang="en"
        spellCheck={false}
        value={yaml}
        onChange={(event) => setYaml(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            void save();
          }
        }}
      />
      {verdict === null ? null : <Problems verdict={verdict} />}
      {unchecked === null ? null : <Failed refusal={unchecked} />}
      {refusal === null ? null : <Failed refusal={refusal} />}
      {isSaved ? <p role="status">{t("builder.saved")}</p> : null}
      <div className="row end">
        <Button disabled={verdict?.is_valid !== true || name === ""} onClick={() => void save()}>
          {t("builder.save")}
        </Button>
      </div>
    </>
  );
}

function Edited({ id }: { id: string }) {
  const load = useCallback((signal: AbortSignal) => strategyText(id, signal), [id]);
  const loaded = useResource(load, []);
  return (
    <Show of={loaded}>{(text) => <Editor key={text.etag ?? ""} id={id} text={text} onSaved={loaded.reload} />}</Show>
  );
}

/** The strategies of this home; one of them as its file, with what is wrong in it line by line. */
export default function Strategies({ id }: { id: string | null }) {
  const loaded = useResource(strategies, STREAMS);
  const [, go] = useLocation();
  const isNew = id === "+";
  return (
    <>
      <h1>{id === null ? t("page.strategies") : isNew ? t("strategies.new") : <span lang="en">{id}</span>}</h1>
      {id === null ? (
        <section className="card">
          <div className="row end">
            <Button size="compact-sm" variant="default" onClick={() => go("/strategies/+")}>
              {t("strategies.new")}
            </Button>
          </div>
          <Show of={loaded} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("start.no_strategy")} />}>
            {(rows) => (
              <Table
                caption={t("page.strategies")}
                rows={rows}
                columns={COLUMNS}
                keyOf={(row) => row.id}
                open={(row) => go(`/strategies/${row.id}`)}
              />
            )}
          </Show>
        </section>
      ) : (
        <section className="card">
          {isNew ? <Editor id={null} text={null} onSaved={(name) => go(`/strategies/${name}`)} /> : <Edited id={id} />}
          <Link href="/strategies">{t("strategies.all")}</Link>
        </section>
      )}
    </>
  );
}
