import type { SectionView } from "../api/model.ts";
import { ConditionList } from "../parts/Conditions.tsx";
import { Section } from "../parts/Marks.tsx";

import { figure, places } from "../parts/figures.ts";
import { t } from "../text/text.ts";

const SHOWN_PLACES = 4;

function short(decimal: string | null): string {
  return figure(decimal !== null && /\.\d{5,}$/.test(decimal) ? places(decimal, SHOWN_PLACES) : decimal);
}

/** Why not yet: how near each condition of a section came; and what it had when it fired last. */
export function SectionNow({ section }: { section: SectionView }) {
  return (
    <div className="section" data-section-now={section.section}>
      <h3>
        <Section name={section.section} />
      </h3>
      {section.nearest.length === 0 ? (
        <>
          <p className="faint">{t(section.fired.length === 0 ? "now.not_watched" : "now.fired_last")}</p>
          {section.fired.length === 0 ? null : <ConditionList conditions={section.fired} />}
        </>
      ) : (
        <ul className="steps">
          {section.nearest.map((condition) => (
            <li key={condition.id} className="row apart">
              <span className="figure">
                {short(condition.value)} / {short(condition.threshold)}
              </span>
              <strong className={condition.distance === "0" ? "gain" : ""}>
                {condition.distance === "0"
                  ? t("cond.met")
                  : condition.distance === null
                    ? t("cond.unknown")
                    : t("cond.to_go", { distance: short(condition.distance), unit: "" })}
              </strong>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
