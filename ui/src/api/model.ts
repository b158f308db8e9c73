/** Rows of the API under the names that pages use. Decimals and nanoseconds are text; null is not known. */

import type { components } from "./schema.d.ts";

type Shapes = components["schemas"];

export type Session = Shapes["SessionRow"];
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
export type Verdict = Shapes["Verdict"];
export type Venue = Shapes["VenueShape"];
export type Start = Shapes["SessionStart"];

/** An open position with what the server says of it now; null is not known. */
export type PositionView = Position & {
  readonly mark_price: string | null;
  readonly mark_ts: string | null;
  readonly unrealized: string | null;
  readonly unrealized_pct: string | null;
  readonly liquidation_distance_pct: string | null;
  /** The signals that opened it, the first one first; none for one that was opened by hand. */
  readonly opened_by: readonly Signal[];
};

export interface InstanceView {
  readonly id: string;
  readonly instance: number;
  readonly strategy: string;
  readonly instrument: string;
  readonly state: string;
  readonly since_ts: string | null;
}

/** What a section of an instance waits for. */
export interface SectionView {
  readonly instance: number;
  readonly section: string;
  readonly fired: readonly Condition[];
  readonly nearest: readonly NearMiss[];
}

export interface StatusView {
  readonly session: Session;
  readonly equity: string | null;
  readonly instances: readonly InstanceView[];
  readonly sections: readonly SectionView[];
  readonly positions: readonly PositionView[];
  readonly orders: readonly Order[];
}

export interface StrategyText {
  readonly yaml: string;
  readonly version: number;
  /** For If-Match of the next version. */
  readonly etag: string | null;
}
