"""A plain Python simulator of a bar backtest, written from the outer contract; it shares no code with the product.

It is slow and says what happens in the order in which the contract says it: bars that end, decisions, bars that begin,
the record. A strategy is the mapping that its YAML holds; bars, funding and rules come as the catalog would say them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from differential.account import Account
from differential.books import Books
from differential.decisions import Decisions
from differential.domain import DAY_NS, SECOND_NS, STEPS_NS, Instance, Instrument, Strategy
from differential.figures import metrics_of
from differential.indicators import Bar, series_of
from differential.trees import Doubt
from differential.venue import Venue


@dataclass
class Outcome:
    """The tables of a run, as plain rows."""

    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    trades: list[dict[str, Any]]
    equity: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    metrics: dict[str, Any]
    doubts: int = 0  # comparisons that the last bits of a float decided
    notes: list[str] = field(default_factory=list)


def simulate(
    strategies: Sequence[Mapping[str, Any]],
    bars: Mapping[str, Sequence[Bar]],
    rates: Mapping[str, Sequence[tuple[int, float]]],
    rules: Mapping[str, Mapping[str, Any]],
) -> Outcome:
    """Run strategies, given as their files' mappings, over bars by instrument."""
    return _Run(strategies, bars, rates, rules).outcome()


class _Run:
    def __init__(self, strategies: Any, bars: Any, rates: Any, rules: Any) -> None:
        self.step_ns = STEPS_NS[strategies[0]["timeframe"]]
        self.doubt = Doubt()
        self.strategies = [Strategy(dict(source), place) for place, source in enumerate(strategies)]
        names = list(dict.fromkeys(name for own in self.strategies for name in own.source["instruments"]))
        self.instruments = [
            Instrument(name, list(bars[name]), list(rates.get(name, ())), dict(rules.get(name, {}))) for name in names
        ]
        for instrument in self.instruments:
            instrument.rates = self._settlements(instrument)
        by_name = {own.name: own for own in self.instruments}
        self.instances: list[Instance] = []
        for strategy in self.strategies:
            for name in strategy.source["instruments"]:
                self.instances.append(self._instance(strategy, by_name[name]))
        capital = sum(own.source.get("capital", 10_000) for own in self.strategies)
        self.account = Account(self.instances, self.strategies, float(capital), self.doubt)
        self.books = Books(self.account)
        self.venue = Venue(self.account, self.books, self.doubt)
        self.decisions = Decisions(self.account, self.books, self.doubt)
        self.equity: list[dict[str, Any]] = []

    def _settlements(self, instrument: Instrument) -> list[tuple[int, float]]:
        """The rates that somebody may have to pay: within the instrument's bars, rounded to the second."""
        pay = [own for own in self.strategies if own.pays_funding and instrument.name in own.source["instruments"]]
        first_ns, last_ns = instrument.bars[0].ts_ns, instrument.bars[-1].ts_ns + self.step_ns
        found = [(round_to_second(ts_ns), rate) for ts_ns, rate in instrument.rates]
        return [row for row in found if pay and not instrument.is_spot and first_ns <= row[0] <= last_ns]

    def _instance(self, strategy: Strategy, instrument: Instrument) -> Instance:
        series = {
            name: series_of(
                variant,
                instrument.bars,
                self.step_ns,
                STEPS_NS[variant["timeframe"]] if "timeframe" in variant else self.step_ns,
            )
            for name, variant in strategy.source["variants"].items()
        }
        return Instance(strategy, instrument, len(self.instances), series, self.doubt)

    def outcome(self) -> Outcome:
        opens = {bar.ts_ns for own in self.instruments for bar in own.bars}
        closes = {ts_ns + self.step_ns for ts_ns in opens}
        start_ns, end_ns = min(opens), max(closes)
        instants = opens | closes | {ts_ns for own in self.instruments for ts_ns, _ in own.rates}
        day = start_ns // DAY_NS
        for now_ns in sorted(instants):
            self.decisions.timers_before(now_ns)
            ended = self._bars_end(now_ns)
            if now_ns // DAY_NS != day:
                day = now_ns // DAY_NS
                self.account.begin_day()
            self.decisions.decide(now_ns, ended)
            self._bars_begin(now_ns)
            was_ruined = self.account.is_ruined
            equity, cash, drawdown = self.account.record()
            if self.account.is_ruined and not was_ruined:
                for own in self.instances:
                    if own.entry and own.entry.is_open:
                        self.books.give_up(own, "CANCELED", "ruined", now_ns)
            self.equity.append({"ts": now_ns, "equity": equity, "cash": cash, "drawdown_pct": drawdown})
        for own, position in self.account.held():
            self.books.trades.append(self.books.trade(own, position, None, None))
        return self._tables(start_ns, end_ns)

    def _bars_end(self, now_ns: int) -> list[Instance]:
        """Step 1; the instances whose bar ended."""
        found = []
        for instrument in self.instruments:
            if instrument.at < 0 or instrument.bars[instrument.at].ts_ns + self.step_ns != now_ns:
                continue
            for own in self.venue.instances_on(instrument):
                own.values_now = {name: series[instrument.at] for name, series in own.series.items()}
                found.append(own)
            self.venue.inside(instrument, now_ns)
            instrument.mark = instrument.bars[instrument.at].close
        return sorted(found, key=lambda own: own.place)

    def _bars_begin(self, now_ns: int) -> None:
        """Step 3: marks, funding on what was held before, fills at the open."""
        begun = []
        for instrument in self.instruments:
            at = instrument.at + 1
            if at < len(instrument.bars) and instrument.bars[at].ts_ns == now_ns:
                instrument.at = at
                instrument.mark = instrument.bars[at].open
                begun.append(instrument)
        for instrument in self.instruments:
            for ts_ns, rate in instrument.rates:
                if ts_ns == now_ns:
                    self._settle(instrument, rate)
        for instrument in begun:
            self.venue.at_open(instrument, now_ns)

    def _settle(self, instrument: Instrument, rate: float) -> None:
        for own in self.venue.instances_on(instrument):
            position = own.position
            if position and own.strategy.pays_funding:
                assert instrument.mark is not None
                paid = -position.side * position.qty * instrument.mark * instrument.multiplier * rate
                position.funding += paid
                own.strategy.result += paid
                self.account.wallet += paid
                self.account.funding += paid

    def _tables(self, start_ns: int, end_ns: int) -> Outcome:
        orders = [
            {
                "strategy": own.strategy,
                "instrument": own.instrument,
                "side": "BUY" if own.side > 0 else "SELL",
                "type": own.type,
                "role": own.role,
                "tif": own.tif,
                "qty": own.qty,
                "price": own.price,
                "stop_price": own.stop_price,
                "reduce_only": own.reduce_only,
                "state": own.state,
                "reason": own.reason,
                "filled_qty": own.filled_qty,
                "avg_price": own.paid / own.filled_qty if own.filled_qty else None,
                "submitted_ts": own.submitted_ts,
                "updated_ts": own.updated_ts,
                "reasons": own.reasons,
            }
            for own in self.books.orders
        ]
        metrics = metrics_of(self.account, self.books.trades, self.equity, (start_ns, end_ns), self.doubt)
        return Outcome(
            orders,
            self.books.fills,
            self.books.trades,
            self.equity,
            self.decisions.signals,
            metrics,
            self.doubt.count,
        )


def round_to_second(ts_ns: int) -> int:
    return (ts_ns + SECOND_NS // 2) // SECOND_NS * SECOND_NS
