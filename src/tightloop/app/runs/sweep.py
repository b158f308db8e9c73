"""``tightloop.sweep``: every combination of parameter values over the same data, on all cores."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tightloop.app import runs
from tightloop.app.markets.bars import Market
from tightloop.app.markets.opening import is_synthetic, open_market
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs.strategies import carry_of, load_any, load_strategies
from tightloop.app.runs.swept import Sweep
from tightloop.app.text.window import window_of
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import CapacityError, InputError
from tightloop.model.files.overrides import Setting
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.portfolio import rules_of
from tightloop.model.signal.read import Strategy
from tightloop.runtime.backtest import sweep as sweeping

SETS_MAX = 100_000
"""Parameter sets of one sweep: each is read and checked before the first one runs."""


def sweep(
    *strategies: Any,
    parameters: Mapping[str, Sequence[Any]],
    data: Any = "data",
    start: str | None = None,
    end: str | None = None,
    account: Any = None,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    split: float | None = None,
    threads: int | None = None,
    on_row: Callable[[sweeping.Row, int], None] | None = None,
) -> Sweep:
    """Run every combination of ``parameters`` (dotted paths to lists of values) over the same data, on all cores.

    ``split`` 0.7 gives in-sample figures of the first 70 % of the time and out-of-sample figures of the rest. Ctrl-C
    returns the rows that are done. ``on_row`` is called with each row and the number of sets.
    Raises InputError (UnfitDataError for data that the gate refuses), and CapacityError above SETS_MAX sets.
    """
    _check(parameters, split)
    options: Any = {
        "data": data, "start": start, "end": end, "accept": accept, "split": split, "threads": threads,
        "on_row": on_row,
    }  # fmt: skip
    sets = sweeping.combinations(parameters)

    def read(values: Mapping[str, Any]) -> tuple[Strategy | CarryStrategy, ...]:
        written_over: list[Setting] = [*settings, *values.items()]
        return load_any(strategies, settings=written_over, instruments=instruments, account=account)

    if carry_of(read(sets[0])) is not None:
        return runs.carry.sweep_carry(sets, tuple(parameters), lambda values: carry_of(read(values)), **options)
    reader = _SetReader(strategies, settings, instruments, account, seed)
    return _sweep(sets, tuple(parameters), reader, **options)


def _check(parameters: Mapping[str, Sequence[Any]], split: float | None) -> None:
    """Refuse parameters without values, too many sets, a split that leaves one side empty."""
    count = math.prod(len(values) for values in parameters.values())
    if not parameters or not count:
        raise InputError.one("command line", None, "--param", "no parameter has a value", "write --param path=a,b,c")
    if count > SETS_MAX:
        raise CapacityError(f"SETS_MAX: {count} parameter sets are more than {SETS_MAX}; sweep fewer values at once")
    if split is not None and not 0.0 < split < 1.0:
        raise InputError.one(
            "command line", None, "--split", f"{split:g} is not between 0 and 1", "write for example 0.7"
        )


@dataclass(slots=True)
class _SetReader:
    """Strategies with the values of a parameter set written over them; each set is read once."""

    sources: Sequence[Any]
    settings: Sequence[str]
    instruments: Sequence[str]
    account: Any
    seed: int
    _read: dict[tuple[tuple[str, Any], ...], tuple[Strategy, ...]] = field(default_factory=dict)

    def strategies(self, values: Mapping[str, Any]) -> tuple[Strategy, ...]:
        """Return the strategies of a set; InputError for values that the file refuses."""
        key = tuple(values.items())
        if key not in self._read:
            self._read[key] = load_strategies(
                self.sources, settings=[*self.settings, *values.items()], instruments=self.instruments,
                account=self.account,
            )  # fmt: skip
        return self._read[key]


def _sweep(
    sets: Sequence[Mapping[str, Any]],
    parameters: tuple[str, ...],
    reader: _SetReader,
    *,
    data: Any,
    start: str | None,
    end: str | None,
    accept: Sequence[str],
    split: float | None,
    threads: int | None,
    on_row: Callable[[sweeping.Row, int], None] | None,
) -> Sweep:
    """Sweep strategies on bars or ticks: the market is loaded once, each set has a plan."""
    window = window_of(start, end)
    first = reader.strategies(sets[0])
    market = open_market(first, data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    for values in sets:
        strategies = reader.strategies(values)
        reads = [(each[0].read.timeframe, each[0].read.feed) for each in (strategies, first)]
        if rules_of(strategies) != rules_of(first) or reads[0] != reads[1]:
            message = "the data are read once: instruments, timeframe and feed cannot be swept"
            remedy = "sweep another parameter, or run them separately"
            raise InputError.one("command line", None, "--param", message, remedy)
    plan = make_plan(first, market.rules, seed=reader.seed)
    feeds = _split_feeds(market, plan, split)
    done = Sweep(parameters, [], len(sets), has_split=split is not None, extra=(sweeping.DENIED,))
    done.is_synthetic = bool(is_synthetic(data, market.reports))

    def plan_of(values: Mapping[str, Any]) -> Plan:
        return make_plan(reader.strategies(values), market.rules, seed=reader.seed)

    rows = sweeping.sweep(sets, plan_of, *feeds, threads=threads, on_lost=done.count_lost)
    done.collect(rows, sets, on_row)
    return done


def _split_feeds(
    market: Market | TickMarket, plan: Plan, split: float | None
) -> tuple[sweeping.Shared, sweeping.Shared | None]:
    """Make the feed that all sets share, and the out-of-sample one when the time is split."""
    whole = market.kept() if isinstance(market, TickMarket) else market
    parts = (whole,) if split is None else whole.split(split)
    feeds = [part.feed(plan) if isinstance(part, Market) else part.feed for part in parts]
    return feeds[0], feeds[1] if len(feeds) > 1 else None
