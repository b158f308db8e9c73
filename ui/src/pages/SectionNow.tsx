import type { SectionView, Watched } from "../api/told.ts";
import { toMs } from "../live/freshness.ts";
import { Section } from "../parts/Marks.tsx";
import { Time } from "../parts/Since.tsx";
import { Quote } from "../parts/Word.tsx";
import { short } from "../parts/figures.ts";
import { t } from "../text/text.ts";

function Distance({ watched }: { watched: Watched }) {
  const { nearest, unit } = watched;
  if (nearest === null) {
    return <span className="faint">{t("cond.unwatched")}</span>;
  }
  if (nearest.distance === null) {
    return <span className="faint">{t("cond.unknown")}</span>;
  }
  return nearest.distance === "0" ? (
    <strong className="gain">{t("cond.met")}</strong>
  ) : (
    <strong>{t("cond.to_go", { distance: short(nearest.distance), unit })}</strong>
  );
}

/** Why not yet: each condition of a section, the nearest it came since it is watched, and what was missing. */
export function SectionNow({ section }: { section: SectionView }) {
  return (
    <div className="section" data-section-now={section.section}>
      <h3>
        <Section name={section.section} />
      </h3>
      {section.watched.length === 0 ? (
        <p className="faint">{t("now.immediate")}</p>
      ) : (
        <ul className="steps">
          {section.watched.map((watched) => (
            <li key={watched.key} className="row apart">
              <Quote>{watched.text}</Quote>
              <span className="figure">
                {watched.nearest === null ? null : (
                  <>
                    {short(watched.nearest.value)} <span className="unit">{watched.unit}</span>{" "}
                    {toMs(watched.nearest.at_ts) === null ? null : <Time ts={watched.nearest.at_ts} />}{" "}
                  </>
                )}
                <Distance watched={watched} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
