"""What a session on bars received, out of the catalog of its export: ticks, bars as it made them, and the rest.

All of it is one order of facts, by their stamps. Ticks are read in pieces, so memory does not grow with the span.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data import recorded
from tightloop.adapters.data.catalog import Catalog
from tightloop.app.markets import notes as markets_notes
from tightloop.app.markets.ticks import shown_bars
from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import EVENT, Rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, InstrumentRules
from tightloop.model.signal.portfolio import rules_of
from tightloop.model.signal.read import Strategy
from tightloop.runtime.feeds.ticks import PIECE_ROWS

KINDS = {"trades": EventKind.TRADE, "quotes": EventKind.QUOTE}
TOLD = {
    recorded.MADE_BARS: (int(EventKind.BAR_CLOSED), int(EventKind.BAR_OPENED)),
    recorded.GAPS: (int(EventKind.FEED_STATE), int(EventKind.DATA_GAP)),
    recorded.MARKS: (int(EventKind.MARK_REPORTED),),
}
"""Kinds of facts by the folder of the catalog they are in."""
_DECIDE = int(Phase.DECIDE_ON_CLOSE | Phase.RECORD)


@dataclass(slots=True)
class RecordedMarket:
    """Tick readers by (instrument, kind), other facts by instrument, venue rules, reports of the gate, and warnings."""

    readers: dict[tuple[InstrumentId, str], Any]
    told: dict[InstrumentId, Rows]
    rules: dict[InstrumentId, InstrumentRules]
    reports: list[Any]
    warnings: list[str]

    def pieces(self, instruments: Sequence[InstrumentId]) -> Iterator[Rows]:
        """Yield all facts in their order. ``instruments``: those of the plan, in its order."""
        streams: list[Iterator[Rows]] = []
        for at, name in enumerate(instruments):
            streams.append(iter((_numbered(self.told[name], at),)))
            streams += (_ticks(self.readers[(name, kind)], at, kind) for kind in KINDS)
        return merged(streams)

    def shown(self) -> dict[str, npt.NDArray[np.void]]:
        """Return bars by instrument name, from which a report draws prices."""
        return {str(name): shown_bars(self.readers[(name, "trades")]) for name in self.told}

    def digest(self) -> str:
        """Return the data hash of the ticks read and of the other facts."""
        digest = hashlib.blake2b(digest_size=16)
        for reader in self.readers.values():
            digest.update(reader.digest.encode())
        for name, rows in self.told.items():
            digest.update(str(name).encode() + rows.tobytes())
        return digest.hexdigest()


def load_recorded_market(
    strategies: Sequence[Strategy],
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> RecordedMarket:
    """Open what a session on bars received; InputError for another catalog, and for a window: it is run as a whole."""
    root = Path(data)
    catalog = Catalog(root)
    if not catalog.is_of_session:
        remedy = "name what `tightloop session export` has written"
        raise InputError.one(root, None, "--fills", "is no recording of a session", remedy)
    if strategies[0].read.feed is not None or start_ns is not None or end_ns is not None:
        remedy = "leave --fills out for strategies on ticks, and --from and --to with it"
        raise InputError.one("command line", None, "--fills", "runs strategies on bars over a whole session", remedy)
    market = RecordedMarket({}, {}, {}, [], [])
    for instrument in rules_of(strategies):
        market.rules[instrument] = catalog.rules(instrument)
        for kind in KINDS:
            reader = market.readers[(instrument, kind)] = catalog.tick_reader(kind, instrument, None, None, accepted)
            market.reports.append(reader.report)
        market.told[instrument] = told = _told(root, catalog, instrument)
        if not (told["kind"] == int(EventKind.BAR_CLOSED)).any():
            message = f"has no bars of {instrument}: the session ran on ticks"
            raise InputError.one(root, None, "--fills", message, "export a session of the same strategy on bars")
    market.warnings += markets_notes.faults(market.reports)
    return market


def _told(root: Path, catalog: Catalog, instrument: InstrumentId) -> Rows:
    """Return the facts of an instrument that are no ticks, in order of ``ts_init_ns``."""
    parts = [recorded.read_events(root, folder, instrument) for folder in TOLD]
    funding = catalog.funding(instrument.venue, instrument.symbol) if instrument.market == "perp" else None
    if funding is not None:
        rates = np.zeros(len(funding.ts_ns), EVENT)
        rates["kind"], rates["phase"], rates["rate"] = int(EventKind.FUNDING_RATE), int(Phase.RECORD), funding.rate
        rates["ts_event_ns"] = rates["ts_init_ns"] = funding.ts_ns
        parts.append(rates)
    found = np.concatenate(parts)
    chosen: Rows = found[np.argsort(found["ts_init_ns"], kind="stable")]
    return chosen


def _numbered(rows: Rows, instrument: int) -> Rows:
    found = rows.copy()
    found["instrument"] = instrument
    return found


def _ticks(reader: Any, instrument: int, kind: str) -> Iterator[Rows]:
    """Yield ticks as facts."""
    for rows in reader.pieces(PIECE_ROWS):
        facts = np.zeros(len(rows), EVENT)
        facts["kind"], facts["instrument"], facts["phase"] = int(KINDS[kind]), instrument, _DECIDE
        for name in ("ts_event_ns", "ts_init_ns", "price", "qty"):
            facts[name] = rows[name]
        if kind == "trades":
            facts["order_id"], facts["is_maker"] = rows["trade_id"], rows["is_buyer_maker"]
        else:
            facts["rate"], facts["amount"] = rows["ask"], rows["ask_qty"]
        yield facts


def merged(streams: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Merge streams of facts, each in order of its stamps; at one stamp they are in the order of their instruments."""
    heads = [_next_piece(stream) for stream in streams]
    while any(head is not None for head in heads):
        until_ns = min(int(head["ts_init_ns"][-1]) for head in heads if head is not None)
        parts = []
        for k, head in enumerate(heads):
            if head is None:
                continue
            count = int(np.searchsorted(head["ts_init_ns"], until_ns, side="right"))
            parts.append(head[:count])
            heads[k] = head[count:] if count < len(head) else _next_piece(streams[k])
        rows = np.concatenate(parts)
        if len(rows):
            yield rows[np.lexsort((rows["instrument"], rows["ts_init_ns"]))]


def _next_piece(stream: Iterator[Rows]) -> Rows | None:
    return next((piece for piece in stream if len(piece)), None)
