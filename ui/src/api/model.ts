/** Rows of the API under the names that pages use. Decimals and nanoseconds are text; null is not known. */

import type { components } from "./schema.d.ts";

type Shapes = components["schemas"];

export type Session = Shapes["SessionRow"];
export type Instance = Shapes["Instance"];
export type Order = Shapes["Order"];
export type Fill = Shapes["Fill"];
export type Denial = Shapes["Denial"];
export type Position = Shapes["Position"];
export type Signal = Shapes["Signal"];
export type Condition = Shapes["Condition"];
export type NearMiss = Shapes["NearMiss"];
export type Transition = Shapes["Transition"];
export type RiskEvent = Shapes["RiskEvent"];
export type Component = Shapes["Component"];
export type StrategyRow = Shapes["StrategyRow"];
export type Verdict = Shapes["StrategyVerdict"];
export type Venue = Shapes["VenueShape"];
export type Start = Shapes["SessionStart"];

/** An open position with the signals that opened it, the first one first; none for one that was opened by hand. */
export type PositionView = Position & {
  readonly opened_by: readonly { readonly signal: Signal; readonly conditions: readonly Condition[] }[];
};

export interface StrategyText {
  readonly yaml: string;
  readonly version: number;
  /** For If-Match of the next version. */
  readonly etag: string | null;
}
