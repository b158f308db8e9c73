import type { Order } from "../api/model.ts";
import { useNow } from "../live/clock.ts";
import { toMs } from "../live/freshness.ts";
import { t } from "../text/text.ts";
import { duration } from "./figures.ts";
import { Word } from "./Word.tsx";

/** The state of an order; one whose outcome nobody told is amber, with its age. */
export function OrderState({ order }: { order: Order }) {
  const nowMs = useNow();
  const sinceMs = toMs(order.unknown_since_ts);
  if (sinceMs !== null) {
    return <span className="tag warn">{t("orders.unknown", { age: duration(nowMs - sinceMs) })}</span>;
  }
  return (
    <span className="tag">
      <Word of="order" word={order.state ?? ""} />
    </span>
  );
}
