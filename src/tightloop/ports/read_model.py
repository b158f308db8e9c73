"""The read model of sessions: tables that screens and reports read, and what keeps them.

Rows come from records of a session's journal, in its order. ``seq`` is the record that a row came with, or was last
changed by; ``n`` its place in that record. Every table has ``session_id``. Unknown is None. Times are ns UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

FORMAT = "3"
"""Of the tables; a file of another one is made again from the journals."""
SESSION = "session_id"
Value = int | float | str | None


class TableRow(NamedTuple):
    """A row to be written: one with the same key is replaced. ``values``: without the session."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class TableShape:
    """Columns by name with their kind: INTEGER, REAL or TEXT. ``keys``: those that tell rows of a session apart."""

    keys: tuple[str, ...]
    columns: Mapping[str, str]


def _shape(keys: str, integers: str, reals: str = "", texts: str = "") -> TableShape:
    columns = dict.fromkeys(integers.split(), "INTEGER")
    columns |= dict.fromkeys(reals.split(), "REAL") | dict.fromkeys(texts.split(), "TEXT")
    assert set(keys.split()) <= set(columns), "keys are columns"
    return TableShape(tuple(keys.split()), MappingProxyType(columns))


TABLES: Mapping[str, TableShape] = MappingProxyType({
    "sessions": _shape("", "seq state_since_ts started_ts ended_ts epoch pid ts", "capital",
        "mode venue account asset state reason start_key start config_hash engine_version boot_id"),
    "instruments": _shape("instrument", "", "price_increment lot_size multiplier min_notional taker_rate maker_rate "
        "leverage_max", "instrument venue_symbol status"),
    "instances": _shape("instance", "instance seq state_since_ts cooldown_until_ts timer_ts", "",
        "signal_id strategy version strategy_hash instrument direction state plan"),
    "orders": _shape("order_id", "seq trade_id instance reduce_only submitted_ts acked_ts updated_ts expires_ts "
        "unknown_since_ts", "qty price stop_price filled_qty avg_price fees slippage",
        "order_id signal_id client_id venue_order_id strategy instrument side type role tif state reason venue_text"),
    "fills": _shape("fill_id", "fill_id seq trade_id instance ts", "qty price fee slippage",
        "signal_id order_id venue_trade_id strategy instrument side role fee_asset liquidity origin"),
    "positions": _shape("trade_id", "trade_id seq instance opened_ts updated_ts closed_ts",
        "qty entry_price entry_qty exit_qty exit_price leverage margin liquidation_price stop target realized fees "
        "funding slippage", "signal_id strategy instrument side status exit_reason"),
    "signals": _shape("seq n", "seq n ts instance", "price confidence",
        "signal_id strategy instrument section event reason"),
    "conditions": _shape("seq n place", "seq n place instance", "value threshold threshold_high",
        "signal_id section variant operator threshold_variant verdict"),
    "transitions": _shape("seq n", "seq n ts instance", "", "signal_id from_state to_state reason"),
    "denials": _shape("seq n", "seq n ts instance", "asked allowed",
        "signal_id order_id instrument check_name reason text"),
    "risk_events": _shape("seq n", "seq n ts instance", "", "signal_id severity type scope instrument message details"),
    "controls": _shape("seq n", "seq n ts", "", "who command scope args key outcome"),
    "funding": _shape("seq n", "seq n ts trade_id", "rate amount", "signal_id instrument"),
    "corrections": _shape("seq n", "seq n ts", "ours venue", "signal_id kind instrument evidence"),
    "equity": _shape("ts", "seq ts", "equity cash drawdown_pct"),
    "bars": _shape("instrument tf open_ts", "seq open_ts", "open high low close volume", "instrument tf source"),
    "value_rows": _shape("instance key ts", "seq instance ts", "value", "key"),
    "closest": _shape("instance section since_ts place", "seq instance since_ts place at_ts others_met others",
        "value threshold threshold_high distance", "signal_id section"),
})  # fmt: skip
"""All tables but ``meta`` and ``changes``, which are of the store."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far rows of a session were written: the last record, and a checksum of it."""

    seq: int
    crc: int


class RecordRows(NamedTuple):
    """The rows of one record, which are written together or not at all."""

    seq: int
    rows: Sequence[TableRow]


class ReadModelMoved(Exception):
    """Another process has written rows of the session, or the file was removed: begin anew."""


class ReadModelStore(Protocol):
    """Where the tables are kept. Errors of the disk are OSError."""

    def mark(self, session: str) -> Mark | None:
        """Return how far a session was written; None for one that was not."""

    def write(self, session: str, batch: Sequence[RecordRows], before: Mark | None, after: Mark) -> None:
        """Write the rows of records in one transaction. Raises ReadModelMoved if the mark is not ``before``."""

    def forget(self, session: str) -> None:
        """Remove all rows of a session."""
