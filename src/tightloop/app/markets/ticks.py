"""Market data of a run on ticks: trades, quotes and books through the quality gate, funding, rules, and the feed."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data import recorded
from tightloop.adapters.data.catalog import Catalog
from tightloop.app.markets import notes as markets_notes
from tightloop.core import limits
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import TICK, Clock
from tightloop.core.domain.types import BAR, Rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, InstrumentRules
from tightloop.model.signal.plan import Plan
from tightloop.model.signal.portfolio import rules_of
from tightloop.model.signal.read import Strategy
from tightloop.runtime.feeds.ticks import FEED_STATES, PIECE_ROWS, TickFeed, TickSource, piece_rows

Times = npt.NDArray[np.int64]
DATASETS = {"trades": "trades", "quotes": "quotes", "book": "books"}
"""Kind of feed -> kind of dataset in the catalog."""


@dataclass(slots=True)
class TickMarket:
    """Tick readers by (instrument, kind), funding, venue rules, reports of the quality gate, and warnings."""

    readers: dict[tuple[InstrumentId, str], Any]
    funding: dict[InstrumentId, tuple[Times, npt.NDArray[np.float64]]]
    rules: dict[InstrumentId, InstrumentRules]
    reports: list[Any]
    warnings: list[str]
    is_one_clock: bool
    offset_ns: int
    unfunded: list[InstrumentId] = field(default_factory=list)
    clock_unsaid: str | None = None
    """The clock of a strategy that names none; None: it depends on the times there are."""
    states: dict[InstrumentId, Rows] = field(default_factory=dict)
    """Of a recording: what a session was told of the feed of each instrument (TICK); windows end at a gap."""

    def feed(self, plan: Plan) -> TickFeed:
        """Open a feed over the plan's instruments, in its order, with the funding it needs."""
        count = sum(reader.report.rows for reader in self.readers.values()) + sum(map(len, self.states.values()))
        rows = piece_rows(len(self.readers) if self.is_one_clock else 2 * len(self.readers))
        clocks = (self.is_one_clock, self.offset_ns)

        def pieces(key: tuple[InstrumentId, str], counted: bool) -> Iterator[Rows]:
            ticks: Iterator[Rows] = self.readers[key].pieces(rows, counted=counted)
            return ticks

        return _feed(plan, pieces, (self.funding, self.states), clocks, (count, rows))

    def kept(self) -> "KeptTicks":
        """Read all ticks into memory, for many runs over the same data (a sweep)."""
        rows = {key: list(reader.pieces(PIECE_ROWS)) for key, reader in self.readers.items()}
        whole = {key: np.concatenate(pieces) for key, pieces in rows.items()}
        return KeptTicks(self.readers, whole, self.funding, self.clock_unsaid, self.states)

    def shown(self) -> dict[str, npt.NDArray[np.void]]:
        """Return bars by instrument name, from which a report draws prices."""
        kinds: dict[InstrumentId, str] = {}
        for instrument, kind in self.readers:
            kinds.setdefault(instrument, kind)  # trades come first
        return {str(instrument): shown_bars(self.readers[(instrument, kind)]) for instrument, kind in kinds.items()}

    def digest(self) -> str:
        """Return the data hash of the ticks read and the funding."""
        digest = hashlib.blake2b(digest_size=16)
        for reader in self.readers.values():
            digest.update(reader.digest.encode())
        for instrument, (ts_ns, rate) in self.funding.items():
            digest.update(str(instrument).encode() + ts_ns.tobytes() + rate.tobytes())
        for instrument, states in self.states.items():
            digest.update(str(instrument).encode() + states.tobytes())
        return digest.hexdigest()


Pieces = Callable[[tuple[InstrumentId, str], bool], Iterator[Rows]]
Funding = Mapping[InstrumentId, tuple[Times, npt.NDArray[np.float64]]]
States = Mapping[InstrumentId, Rows]


def _feed(
    plan: Plan, pieces: Pieces, others: tuple[Funding, States], clocks: tuple[bool, int], rows: tuple[int, int]
) -> TickFeed:
    """Open the streams of the plan's instruments. ``clocks``: (is one clock, offset of receipt in ns).

    ``others``: funding, and states of feeds, which the strategy alone is told. On two clocks the venue reads the same
    ticks through streams of its own. ``rows``: (all rows, rows per piece).
    """
    is_one_clock, offset_ns = clocks
    funding, states = others
    sources: list[tuple[TickSource, Clock]] = []
    for index, instrument in enumerate(plan.instruments):
        for kind in plan.feed:
            first = Clock.BOTH if is_one_clock else Clock.STRATEGY
            sources.append((TickSource(index, kind, pieces((instrument, kind), True)), first))
            if not is_one_clock:
                sources.append((TickSource(index, kind, pieces((instrument, kind), False)), Clock.VENUE))
        if len(states.get(instrument, ())):
            sources.append((TickSource(index, FEED_STATES, _cut(states[instrument], rows[1])), Clock.STRATEGY))
    wanted = {
        index: funding[instrument]
        for index, instrument in enumerate(plan.instruments)
        if instrument in funding and plan.funding[instrument]
    }
    return TickFeed(sources, wanted, plan.grids_ns, offset_ns, *rows)


def _cut(rows: Rows, piece: int) -> Iterator[Rows]:
    return (rows[k : k + piece] for k in range(0, len(rows), piece))


@dataclass(frozen=True, slots=True)
class KeptTicks:
    """Ticks in memory, shared by many runs and never written to."""

    readers: Mapping[tuple[InstrumentId, str], Any]
    rows: Mapping[tuple[InstrumentId, str], Rows]
    funding: Funding
    clock_unsaid: str | None = None
    states: States = field(default_factory=dict)

    def feed(self, plan: Plan) -> TickFeed:
        """Open a feed for a plan, on the clock its latency model asks for."""
        clock, offset_ns, _ = _clocks(plan.strategies[0].read.latency, self.readers, self.clock_unsaid)

        def pieces(key: tuple[InstrumentId, str], _counted: bool) -> Iterator[Rows]:
            return _cut(self.rows[key], PIECE_ROWS)

        count = sum(map(len, self.rows.values())) + sum(map(len, self.states.values()))
        others = self.funding, self.states
        return _feed(plan, pieces, others, (clock == "receive", offset_ns), (count, PIECE_ROWS))

    def split(self, share: float) -> "tuple[KeptTicks, KeptTicks]":
        """Split by time of receipt at ``share`` of the span; raises InputError when a side has no ticks."""
        begin = min(int(rows["ts_init_ns"][0]) for rows in self.rows.values())
        end = max(int(rows["ts_init_ns"][-1]) for rows in self.rows.values())
        cut_ns = begin + int((end - begin) * share)
        parts = []
        for before in (True, False):
            rows = {key: ticks[(ticks["ts_init_ns"] < cut_ns) == before] for key, ticks in self.rows.items()}
            for (instrument, kind), ticks in rows.items():
                if not len(ticks):
                    message = f"{share:g} leaves {instrument} without {kind} on one side"
                    raise InputError.one("command line", None, "--split", message, "write another share of the time")
            funding = {
                name: (ts_ns[(ts_ns < cut_ns) == before], rate[(ts_ns < cut_ns) == before])
                for name, (ts_ns, rate) in self.funding.items()
            }
            states = {name: told[(told["ts_init_ns"] < cut_ns) == before] for name, told in self.states.items()}
            parts.append(KeptTicks(self.readers, rows, funding, self.clock_unsaid, states))
        return parts[0], parts[1]


def load_tick_market(
    strategies: Sequence[Strategy],
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> TickMarket:
    """Check the ticks of all instruments and open their readers; raises InputError for missing or unfit data."""
    if isinstance(data, Mapping):
        raise InputError.one("data", None, "", "ticks are read from a catalog", "give the folder of a catalog")
    catalog, first = Catalog(data), strategies[0].read
    readers: dict[tuple[InstrumentId, str], Any] = {}
    for instrument in rules_of(strategies):
        for kind in first.feed or ():
            readers[(instrument, kind)] = catalog.tick_reader(DATASETS[kind], instrument, start_ns, end_ns, accepted)
    clock_unsaid = "receive" if catalog.is_of_session else None  # which knew what it had received
    clock, offset_ns, notes = _clocks(first.latency, readers, clock_unsaid)
    rules = {instrument: catalog.rules(instrument) for instrument in rules_of(strategies)}
    reports = [reader.report for reader in readers.values()]
    market = TickMarket(readers, {}, rules, reports, [], clock == "receive", offset_ns, clock_unsaid=clock_unsaid)
    _load_funding(market, catalog, strategies, accepted)
    if catalog.is_of_session:
        window = start_ns or 0, end_ns or limits.NEVER_NS
        market.states = {name: _states(Path(data), name, window) for name in rules}
    costs = [strategy.read.costs for strategy in strategies]
    stated = all(cost.taker_bps is not None and cost.maker_bps is not None for cost in costs)
    market.warnings += markets_notes.faults(market.reports)
    market.warnings += markets_notes.without_funding(market.unfunded)
    market.warnings += markets_notes.defaults(market.rules, stated)
    market.warnings += notes
    return market


def _clocks(
    latency: Any, readers: Mapping[tuple[InstrumentId, str], Any], unsaid: str | None
) -> tuple[str, int, list[str]]:
    """Return the venue's clock ("receive" or "exchange"), the offset of receipt in ns, and warnings about both.

    The exchange clock needs exchange times on every stream. If some ticks appear to be received before they happened,
    the clocks of exchange and recorder disagree: all times of receipt are shifted by the largest such difference.
    """
    silent = sorted({str(instrument) for (instrument, _), reader in readers.items() if reader.earliest_ns is None})
    if latency.clock == "exchange" and silent:
        message = f"the ticks of {markets_notes.listed(silent)} carry no exchange times"
        raise InputError.one("strategy", None, "latency.clock", message, "write clock: receive")
    if (latency.clock or unsaid) == "receive" or silent:
        if latency.is_recorded and silent:
            message = f"the ticks of {markets_notes.listed(silent)} carry no exchange times, so no latency was recorded"
            raise InputError.one("strategy", None, "latency", message, "write submit_ms, cancel_ms and response_ms")
        note = f"no exchange times of {markets_notes.listed(silent)}: the venue uses the times of receipt"
        return "receive", _offset(latency, 0), [note] if silent and (latency.clock or unsaid) is None else []
    least = min(reader.earliest_ns for reader in readers.values())
    offset_ns = _offset(latency, max(-least, 0))
    notes = [f"times of receipt are shifted by {offset_ns / 1e6:+,.1f} ms: ticks were received before they happened"]
    return "exchange", offset_ns, notes if offset_ns and latency.receive_offset_ms is None else []


def _offset(latency: Any, estimated_ns: int) -> int:
    return estimated_ns if latency.receive_offset_ms is None else round(latency.receive_offset_ms * 1e6)


def _states(root: Path, instrument: InstrumentId, window: tuple[int, int]) -> Rows:
    """Return what a session was told of the feed of an instrument, as rows of FEED_STATES."""
    told = recorded.read_events(root, recorded.GAPS, instrument)
    told = told[(told["ts_init_ns"] >= window[0]) & (told["ts_init_ns"] < window[1])]
    rows = np.zeros(len(told), TICK)
    rows["ts_event_ns"], rows["ts_init_ns"], rows["trade_id"] = told["ts_event_ns"], told["ts_init_ns"], told["reason"]
    rows["is_buyer_maker"] = told["kind"] == int(EventKind.DATA_GAP)
    return rows


def _load_funding(
    market: TickMarket, catalog: Catalog, strategies: Sequence[Strategy], accepted: frozenset[str]
) -> None:
    wants = {i for s in strategies if s.read.costs.funding == "on" for i in s.instruments if i.market == "perp"}
    for instrument in rules_of(strategies):
        if instrument not in wants:
            continue
        reports = [reader.report for (name, _), reader in market.readers.items() if name == instrument]
        window = min(r.from_ns for r in reports), max(r.to_ns for r in reports) + 1
        try:
            found = catalog.funding(instrument.venue, instrument.symbol, *window, accepted)
        except InputError as error:
            if type(error) is not InputError:
                raise
            found = None
        if found is None:
            market.unfunded.append(instrument)
        else:
            market.funding[instrument] = found.ts_ns, found.rate
            market.reports.append(found.report)


SHOWN_BARS_MAX = 5_000


def shown_bars(reader: Any) -> npt.NDArray[np.void]:
    """Aggregate trades (or mid-quotes) to bars (BAR) for a chart.

    The timeframe is the shortest that gives fewer than SHOWN_BARS_MAX bars over the span.
    """
    span_ns = max(reader.report.to_ns - reader.report.from_ns, 1)
    step_ns = next((ns for ns in TIMEFRAMES.values() if span_ns / ns < SHOWN_BARS_MAX), max(TIMEFRAMES.values()))
    bars: list[tuple[float, float, float, float, float, int, int]] = []
    for times, price, volume in reader.prices(PIECE_ROWS):
        begins = times // step_ns * step_ns
        edges = np.flatnonzero(np.diff(begins, prepend=begins[:1] - 1))
        for first, end in itertools.pairwise([*edges.tolist(), len(times)]):
            prices, begin = price[first:end], int(begins[first])
            traded = volume[first:end].sum()
            bar = (prices[0], prices.max(), prices.min(), prices[-1], traded, begin, begin + step_ns)
            if bars and bars[-1][5] == begin:  # the bar continues across two pieces
                old = bars.pop()
                bar = (
                    old[0],
                    max(old[1], bar[1]),
                    min(old[2], bar[2]),
                    bar[3],
                    old[4] + bar[4],
                    begin,
                    begin + step_ns,
                )
            bars.append(bar)
    return np.array(bars, BAR)
