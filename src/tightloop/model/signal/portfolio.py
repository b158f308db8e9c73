"""Validation of strategies that share one account: same settle asset, timeframe, feed, latency."""

from collections.abc import Mapping, Sequence

from tightloop.model.errors import InputError, Problem
from tightloop.model.files.diagnostics import Path, dotted
from tightloop.model.instruments import InstrumentId, InstrumentRules
from tightloop.model.signal.read import Strategy


def rules_of(strategies: Sequence[Strategy]) -> tuple[InstrumentId, ...]:
    """Return the instruments of a run, without duplicates, in the order of the strategies."""
    return tuple(dict.fromkeys(instrument for strategy in strategies for instrument in strategy.instruments))


def check_together(strategies: Sequence[Strategy], rules: Mapping[InstrumentId, InstrumentRules]) -> str:
    """Return the settle asset of the run. Raises InputError with every disagreement."""
    assert strategies, "a run has a strategy"
    together = _Together(strategies[0])
    for strategy in strategies:
        together.check(strategy)
        for index, instrument in enumerate(strategy.instruments):
            together.check_instrument(strategy, index, rules[instrument])
    if together.problems:
        raise InputError(*together.problems)
    assert together.asset is not None, "a run has an instrument"
    return together.asset


def check_files(strategies: Sequence[Strategy]) -> None:
    """Check what the files alone can tell, before any data is read. Raises InputError with every problem."""
    together = _Together(strategies[0])
    names: dict[str, str] = {}
    for strategy in strategies:
        together.check(strategy)
        name = strategy.read.name
        if name in names:
            together.refuse(
                strategy, ("name",), f"{name!r} is also the name of {names[name]}", "give each strategy its own"
            )
        names.setdefault(name, strategy.file)
    if together.problems:
        raise InputError(*together.problems)


class _Together:
    """Compares every strategy with the first one and collects the differences."""

    def __init__(self, first: Strategy) -> None:
        self.first = first
        self.asset: str | None = None
        self.asset_of: InstrumentId | None = None
        self.problems: list[Problem] = []

    def refuse(self, strategy: Strategy, path: Path, message: str, remedy: str) -> None:
        file, line = strategy.place(path)
        self.problems.append(Problem(file, line, dotted(path), message, remedy))

    def check(self, strategy: Strategy) -> None:
        """Compare the keys of two files."""
        keys, first = strategy.read, self.first.read
        if not strategy.instruments:
            remedy = "write instruments: [binance:BTCUSDT-perp], or give --instrument"
            self.refuse(strategy, ("instruments",), "names no instrument", remedy)
        if keys.timeframe != first.timeframe:
            message = f"{keys.timeframe} is not the {first.timeframe} of {self.first.file}"
            self.refuse(strategy, ("timeframe",), message, "write the same timeframe, or run them separately")
        if keys.feed != first.feed:
            message = f"differs from the feed of {self.first.file}"
            self.refuse(strategy, ("feed",), message, "write the same feed, or run them separately")
        ticks = (keys.latency, keys.costs.queue, keys.costs.partial_fills, keys.costs.halt_s)
        theirs = (first.latency, first.costs.queue, first.costs.partial_fills, first.costs.halt_s)
        if keys.feed is not None and ticks != theirs:
            message = f"differs from that of {self.first.file}, and strategies of one run share one venue"
            self.refuse(strategy, ("latency",), message, "write the same latency, queue, partial_fills and halt_s")
        if keys.account != first.account:
            message = f"differs from the account of {self.first.file}, and strategies of one run share it"
            self.refuse(strategy, ("account",), message, "give one --account file for all")

    def check_instrument(self, strategy: Strategy, index: int, rules: InstrumentRules) -> None:
        """Check an instrument against its trading rules."""
        instrument, path = strategy.instruments[index], ("instruments", index)
        if instrument.market == "spot" and not rules.margin:
            self._check_spot(strategy, instrument)
        if rules.settle_asset is None:
            remedy = f"write {instrument}: {{settle_asset: USDT}} in the catalog's instruments.yaml"
            self.refuse(strategy, path, f"the settle asset of {instrument} is not known", remedy)
        elif self.asset is None:
            self.asset, self.asset_of = rules.settle_asset, instrument
        elif rules.settle_asset != self.asset:
            message = f"{instrument} settles in {rules.settle_asset}, {self.asset_of} in {self.asset}"
            self.refuse(strategy, path, message, "name instruments of one settle asset, and run the others separately")

    def _check_spot(self, strategy: Strategy, instrument: InstrumentId) -> None:
        margin = f"write {instrument}: {{margin: true}} in the catalog's instruments.yaml"
        if strategy.read.direction == "SHORT":
            message = f"{instrument} is spot and cannot be sold short"
            self.refuse(strategy, ("direction",), message, f"trade a perp, or {margin}")
        sections = strategy.read.sections
        if sections is not None and sections.Z1.leverage > 1:
            message = f"{instrument} is spot and has no leverage"
            self.refuse(strategy, ("sections", "Z1", "leverage"), message, f"write leverage: 1, or {margin}")
