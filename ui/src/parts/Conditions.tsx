import type { Condition } from "../api/model.ts";
import { t } from "../text/text.ts";
import { short } from "./figures.ts";
import { Section } from "./Marks.tsx";
import { Quote } from "./Word.tsx";

function Verdict({ verdict }: { verdict: string | null }) {
  const isMet = verdict === "TRUE";
  const isUnknown = verdict === null || verdict === "UNKNOWN";
  return (
    <span className={isMet ? "gain" : isUnknown ? "faint" : "loss"}>
      {t(isMet ? "cond.met" : isUnknown ? "cond.unknown" : "cond.not_met")}
    </span>
  );
}

/** Conditions as they were: value beside threshold, and whether each held. */
export function ConditionList({ conditions }: { conditions: readonly Condition[] }) {
  return conditions.length === 0 ? (
    <p className="faint">{t("cond.none")}</p>
  ) : (
    <ul className="steps">
      {conditions.map((condition) => (
        <li key={condition.id}>
          <Section name={condition.section ?? ""} /> <Quote>{condition.variant ?? ""}</Quote>{" "}
          <strong className="figure">{short(condition.value)}</strong>{" "}
          <span className="mono">{condition.operator}</span>{" "}
          <span className="figure">
            {condition.threshold_variant === null ? null : <Quote>{`${condition.threshold_variant} `}</Quote>}
            {short(condition.threshold)}
            {condition.threshold_high === null ? "" : ` … ${short(condition.threshold_high)}`}
          </span>{" "}
          <Verdict verdict={condition.verdict} />
        </li>
      ))}
    </ul>
  );
}
