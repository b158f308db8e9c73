"""The composition root: the only place that knows concrete names. Strategy, catalog, plan, feed, driver, files.

``backtest`` and ``sweep`` are the Python API for notebooks; the command line calls the same functions.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tightloop.adapters.data.catalog import Catalog, LoadedBars
from tightloop.adapters.data.frames import bars_of
from tightloop.adapters.data.quality import as_json
from tightloop.adapters.stores import parquet
from tightloop.model import config
from tightloop.model.config import Strategy
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, InstrumentRules, default_rules
from tightloop.model.plan import Plan, make_plan
from tightloop.model.together import rules_of
from tightloop.runtime import backtest as array_driver
from tightloop.runtime import loop as event_driver
from tightloop.runtime import results
from tightloop.runtime import sweep as sweeping
from tightloop.runtime.feeds import Feed, make_feed
from tightloop.runtime.recorder import Recorder
from tightloop.runtime.results import Result

TABLES = ("trades", "orders", "fills", "equity", "signals", "transitions")
Times = npt.NDArray[np.int64]


@dataclass(slots=True)
class Market:
    """What a run reads: bars by instrument, funding where there is some, what the gate found, what to say about it."""

    bars: dict[InstrumentId, npt.NDArray[np.void]]
    funding: dict[InstrumentId, tuple[Times, npt.NDArray[np.float64]]]
    rules: dict[InstrumentId, InstrumentRules]
    reports: list[Any]
    warnings: list[str]

    def feed(self, plan: Plan) -> Feed:
        funding = {
            at: self.funding[instrument]
            for at, instrument in enumerate(plan.instruments)
            if instrument in self.funding and plan.funding[instrument]
        }
        return make_feed([self.bars[instrument] for instrument in plan.instruments], funding)

    def digest(self, feed: Feed) -> str:
        return results.data_hash([feed.bars, feed.rates])


@dataclass(slots=True)
class Run:
    """A finished run: frames, metrics and, once written, files."""

    result: Result
    strategies: tuple[Strategy, ...]
    market: Market
    timing: dict[str, float]
    command: str = ""
    _frames: dict[str, pl.DataFrame] = field(default_factory=dict)

    def __getattr__(self, name: str) -> pl.DataFrame:
        """``run.trades``, ``run.equity``, ``run.orders`` ... as polars frames."""
        if name not in TABLES:
            raise AttributeError(name)
        if name not in self._frames:
            self._frames[name] = parquet.frame(self.result.tables[name])
        return self._frames[name]

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of ``result.json``."""
        return dict(self.result.summary["metrics"])

    @property
    def summary(self) -> dict[str, Any]:
        """All of ``result.json``."""
        return self.result.summary

    def report(self) -> str:
        """The report as one self-contained HTML page."""
        from tightloop.app.report_page import build_report

        bars = {str(instrument): rows for instrument, rows in self.market.bars.items()}
        text = "\n---\n".join(strategy.text for strategy in self.strategies)
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return build_report(
            self.summary, self.trades, self.orders, self.fills, self.equity, self.signals, bars, self.result.quality, text,
            self.command, made_at,
        )  # fmt: skip

    def write(self, out: Path | str, *, report: bool = True) -> Path | None:
        """Write every result file into a folder; returns the path of the report, None when it was not wanted."""
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            parquet.write(getattr(self, name), folder / f"{name}.parquet")
        (folder / "result.json").write_text(_json(self.summary), encoding="utf-8")
        (folder / "quality.json").write_text(_json({"datasets": self.result.quality}), encoding="utf-8")
        for strategy in self.strategies:
            name = "strategy.yaml" if len(self.strategies) == 1 else f"strategy-{strategy.config_hash}.yaml"
            (folder / name).write_text(strategy.text, encoding="utf-8")
        if not report:
            return None
        page = folder / "report.html"
        page.write_text(self.report(), encoding="utf-8")
        return page


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def time_of(text: str | None, option: str) -> int | None:
    """``2024-01-01``, ``2024-01-01T00:00:00Z`` or nanoseconds as nanoseconds UTC."""
    if text is None:
        return None
    if text.lstrip("-").isdigit() and len(text) > 9:
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        remedy = "write 2024-01-31 or 2024-01-31T12:00:00Z"
        raise InputError.one("command line", None, option, f"{text!r} is not a time", remedy) from None
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
    whole = int(parsed.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + parsed.microsecond * 1_000


def load_strategies(
    strategies: Sequence[Any], *, settings: Sequence[str] = (), instruments: Sequence[str] = (), account: Any = None
) -> tuple[Strategy, ...]:
    """Files, texts or strategies already read."""
    found = []
    for strategy in strategies:
        if isinstance(strategy, Strategy):
            found.append(strategy)
            continue
        options = {"settings": settings, "instruments": instruments, "account": Path(account) if account else None}
        text = str(strategy)
        if isinstance(strategy, Path) or "\n" not in text:
            found.append(config.load(Path(text), **options))
        else:
            found.append(config.loads(text, **options))
    names = [strategy.read.name for strategy in found]
    if len(set(names)) < len(names):
        raise InputError.one(found[-1].file, None, "name", f"two strategies are called {found[-1].read.name}", "rename one")
    return tuple(found)


def load_market(
    strategies: Sequence[Strategy],
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> Market:
    """Bars, funding and rules of all instruments, through the quality gate."""
    frames = data if isinstance(data, Mapping) else None
    catalog = None if frames is not None else Catalog(Path(data))
    market = Market({}, {}, {}, [], [])
    wants_funding = {i for s in strategies if s.read.costs.funding == "on" for i in s.instruments}
    for instrument in rules_of(strategies):
        timeframe = strategies[0].read.timeframe
        loaded: LoadedBars
        if catalog is None:
            assert frames is not None
            loaded = _frame_bars(frames, instrument, timeframe, start_ns, end_ns, accepted)
            market.rules[instrument] = default_rules(instrument)
        else:
            market.rules[instrument] = catalog.rules(instrument)
            loaded = catalog.bars(instrument, timeframe, start_ns, end_ns, accepted)
        market.bars[instrument] = loaded.bars
        market.reports.append(loaded.report)
        if instrument.market == "perp" and instrument in wants_funding:
            _load_funding(market, catalog, instrument, accepted)
    _say(market)
    return market


def _frame_bars(
    frames: Mapping[Any, Any],
    instrument: InstrumentId,
    timeframe: str,
    start_ns: int | None,
    end_ns: int | None,
    accepted: frozenset[str],
) -> LoadedBars:
    own = {str(name): frame for name, frame in frames.items()}
    if str(instrument) not in own:
        raise InputError.one("data", None, str(instrument), "there is no frame of this name", f"there are {', '.join(own)}")
    loaded = bars_of(own[str(instrument)], instrument, timeframe, accepted)
    inside = np.ones(len(loaded.bars), bool)
    if start_ns is not None:
        inside &= loaded.bars["open_ns"] >= start_ns
    if end_ns is not None:
        inside &= loaded.bars["open_ns"] < end_ns
    if not inside.any():
        raise InputError.one("data", None, str(instrument), "has no bars in the window", "widen --from and --to")
    return LoadedBars(loaded.bars[inside], loaded.report)


def _load_funding(market: Market, catalog: Catalog | None, instrument: InstrumentId, accepted: frozenset[str]) -> None:
    own = market.bars[instrument]
    found = None
    if catalog is not None:
        window = int(own["open_ns"][0]), int(own["close_ns"][-1]) + 1
        try:
            found = catalog.funding(instrument.venue, instrument.symbol, *window, accepted)
        except InputError as error:
            if type(error) is not InputError:
                raise
            found = None
    if found is None:
        market.warnings.append(f"{instrument}: no funding rates in the data; none were charged or paid")
        return
    market.funding[instrument] = found.ts_ns, found.rate
    market.reports.append(found.report)


def _say(market: Market) -> None:
    """What a user must know of the data and of the rules that nobody stated."""
    for report in market.reports:
        for fault in report.faults:
            market.warnings.append(f"{report.path}: {fault.kind} ({fault.count}): {fault.detail}")
    for instrument, rules in market.rules.items():
        if rules.defaults_used:
            market.warnings.append(f"{instrument}: no rules stated; defaults for {', '.join(rules.defaults_used)}")


def backtest(
    *strategies: Any,
    data: Any = "data",
    start: str | None = None,
    end: str | None = None,
    account: Any = None,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
    one_by_one: bool = False,
) -> Run:
    """Run one or more strategies (files, YAML texts) over a catalog or a mapping of frames.

    ``one_by_one`` drives the same step one event at a time, as a session does: same results, byte for byte.
    Raises InputError (UnfitDataError for data that the gate refuses) and CapacityError.
    """
    clock = time.process_time
    begun = clock()
    loaded = load_strategies(strategies, settings=settings, instruments=instruments, account=account)
    compiled_at = clock()
    market = load_market(
        loaded, data, start_ns=time_of(start, "--from"), end_ns=time_of(end, "--to"), accepted=frozenset(accept)
    )
    loaded_at = clock()
    plan = make_plan(loaded, market.rules, seed=seed)
    feed = market.feed(plan)
    planned_at = clock()
    recorder = Recorder()
    events = _drive(plan, feed, recorder, on_progress, one_by_one)
    ran_at = clock()
    result = results.build(
        plan, recorder, data_digest=market.digest(feed), seed=seed, warnings=market.warnings,
        quality=json.loads(as_json(market.reports))["datasets"],
    )  # fmt: skip
    timing = {
        "load": loaded_at - compiled_at,
        "compile": compiled_at - begun + planned_at - loaded_at,
        "run": ran_at - planned_at,
        "write": clock() - ran_at,
        "events": events,
        "bars": len(feed.bars),
    }
    return Run(result, loaded, market, timing)


def _drive(
    plan: Plan, feed: Feed, recorder: Recorder, on_progress: Callable[[int, int], None] | None, one_by_one: bool
) -> int:
    if one_by_one:
        return event_driver.run(plan, feed, recorder)
    total = feed.event_count
    return array_driver.run(
        plan, feed, recorder, None if on_progress is None else lambda done: on_progress(done, total)
    )


@dataclass(slots=True)
class Sweep:
    """Rows of a sweep in the order of the sets; ``interrupted`` when not all are there."""

    parameters: tuple[str, ...]
    rows: list[sweeping.Row]
    total: int
    interrupted: bool = False

    @property
    def frame(self) -> pl.DataFrame:
        """A column for each parameter and each metric; out-of-sample ones begin with ``oos_``."""
        table = []
        for row in sorted(self.rows, key=lambda own: own.number):
            line: dict[str, Any] = dict(row.values) | dict(row.in_sample)
            if row.out_of_sample is not None:
                line |= {f"oos_{name}": value for name, value in row.out_of_sample.items()}
            table.append(line)
        return parquet.loose_frame(table)


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
    returns what is done.
    """
    sets = sweeping.combinations(parameters)
    if not sets:
        raise InputError.one("command line", None, "--param", "no parameter has a value", "write --param path=a,b,c")
    reader = _SetReader(strategies, settings, instruments, account, seed)
    first = reader.strategies(sets[0])
    window = time_of(start, "--from"), time_of(end, "--to")
    market = load_market(first, data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    for values in sets:
        own = reader.strategies(values)
        if rules_of(own) != rules_of(first) or own[0].read.timeframe != first[0].read.timeframe:
            raise InputError.one("command line", None, "--param", "instruments and timeframe can not be swept", "run them apart")
    plan = make_plan(first, market.rules, seed=seed)
    feeds = _split_feeds(market, plan, split)
    done = Sweep(tuple(parameters), [], len(sets))
    try:
        for row in sweeping.sweep(sets, lambda values: make_plan(reader.strategies(values), market.rules, seed=seed), *feeds, threads=threads):
            done.rows.append(row)
            if on_row is not None:
                on_row(row, len(sets))
    except KeyboardInterrupt:
        done.interrupted = True
    return done


class _SetReader:
    """Strategies with the values of one parameter set written over them; each set is read once."""

    def __init__(
        self, strategies: Sequence[Any], settings: Sequence[str], instruments: Sequence[str], account: Any, seed: int
    ) -> None:
        self._strategies = strategies
        self._options: dict[str, Any] = {"settings": list(settings), "instruments": instruments, "account": account}
        self._read: dict[tuple[tuple[str, Any], ...], tuple[Strategy, ...]] = {}

    def strategies(self, values: Mapping[str, Any]) -> tuple[Strategy, ...]:
        key = tuple(values.items())
        if key not in self._read:
            own = [*self._options["settings"], *(f"{path}={value}" for path, value in values.items())]
            self._read[key] = load_strategies(self._strategies, **{**self._options, "settings": own})
        return self._read[key]


def _split_feeds(market: Market, plan: Plan, split: float | None) -> tuple[Feed, Feed | None]:
    if split is None:
        return market.feed(plan), None
    if not 0.0 < split < 1.0:
        raise InputError.one("command line", None, "--split", f"{split} is not between 0 and 1", "write for example 0.7")
    begin = min(int(rows["open_ns"][0]) for rows in market.bars.values())
    end = max(int(rows["close_ns"][-1]) for rows in market.bars.values())
    cut_ns = begin + int((end - begin) * split)
    parts = []
    for before in (True, False):
        bars = {i: rows[(rows["open_ns"] < cut_ns) == before] for i, rows in market.bars.items()}
        if any(not len(rows) for rows in bars.values()):
            raise InputError.one("command line", None, "--split", "leaves an instrument without bars on one side", "move the split")
        parts.append(Market(bars, market.funding, market.rules, [], []).feed(plan))
    return parts[0], parts[1]
