"""Small markets and strategies for tests: bars from a text table, a strategy from a few words, and one call that runs.

A table has one bar a line, ``open high low close volume``; one price alone is a bar that stays there, ``-`` a bar that
is missing. The volume may be the names of sections joined by ``+``: such a bar makes exactly these sections TRUE at its
close, so that a test says when something fires and what prices do then, apart from each other. Bar k begins k minutes
after START_NS where nothing else is said, and times in what comes back are such minutes.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.run import Run
from tightloop.app.runs.signal import SignalRun
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, Rows
from tightloop.core.state import check_invariants, state_hash
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.recorder import Recorder

A, B, C, D, E = (f"test:{letter * 3}USDT-perp" for letter in "ABCDE")
START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
MINUTE_NS = 60_000_000_000
STEP_MIN = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}

SECTION_BITS = {"S1": 1, "O1": 2, "Z1": 4, "ZE1": 8, "E1": 16}
QUIET_VOLUME = 1000
ACCEPT = ("holes", "cadence", "units", "straight_line")

NO_COSTS = "{taker_bps: 0, maker_bps: 0}"
NO_ACCOUNT_LIMITS = (
    "{max_position_pct: null, max_positions: null, max_symbol_pct: null, daily_loss_pct: null, "
    "max_drawdown_pct: null, max_margin_pct: null}"
)

# Tables


def _volume(word: str) -> float:
    if word[0].isdigit():
        return float(word)
    return QUIET_VOLUME + sum(SECTION_BITS[name] for name in word.split("+"))


def bars(table: str, start_min: int = 0, timeframe: str = "1m") -> pl.DataFrame:
    """A frame of bars; the first begins ``start_min`` minutes after START_NS."""
    step_ns = STEP_MIN[timeframe] * MINUTE_NS
    lines = [line.split("#")[0].split() for line in table.splitlines()]
    rows = []
    for at, words in enumerate(words for words in lines if words):
        if words == ["-"]:
            continue
        prices = [float(word) for word in words[:4]] if len(words) > 2 else [float(words[0])] * 4
        volume = _volume(words[-1]) if len(words) in (2, 5) else QUIET_VOLUME
        rows.append((START_NS + start_min * MINUTE_NS + at * step_ns, *prices, volume))
    names = ("open", "high", "low", "close", "volume")
    frame = pl.DataFrame(
        {"ts": pl.Series([row[0] for row in rows], dtype=pl.Int64)}
        | {name: pl.Series([row[k] for row in rows], dtype=pl.Float64) for k, name in enumerate(names, 1)}
    )
    return frame.with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))


# Strategies


def fires(section: str) -> str:
    """The condition that a bar with this section's name in its volume makes TRUE."""
    volumes = ", ".join(str(QUIET_VOLUME + mask) for mask in range(32) if mask & SECTION_BITS[section])
    return f'{{vol: "in {volumes}"}}'


def when(section: str) -> str:
    """The tree of ``fires``."""
    return f"all: [{fires(section)}]"


def strategy(
    *,
    name: str = "tiny",
    direction: str = "LONG",
    instruments: Sequence[str] = (A,),
    timeframe: str = "1m",
    capital: float = 10_000,
    variants: str = "",
    s1: str = when("S1"),
    o1: str = when("O1"),
    z1: str = "immediate: true",
    ze1: str = when("ZE1"),
    e1: str = when("E1"),
    order: str = "{type: market}",
    size: str = "{type: units, value: 1}",
    leverage: float = 1,
    stop: str = "",
    target: str = "",
    confidence: str = "null",
    costs: str = NO_COSTS,
    limits: str = "{}",
    account: str = NO_ACCOUNT_LIMITS,
) -> str:
    """The text of a strategy that enters one unit at market when a bar says S1; arguments are YAML."""
    protection = (f", stop_loss: {stop}" if stop else "") + (f", take_profit: {target}" if target else "")
    own = "vol: {type: PRICE, output: volume}, px: {type: PRICE, output: close}"
    return f"""
name: {json.dumps(name, ensure_ascii=False)}
family: signal
direction: {direction}
instruments: {json.dumps(list(instruments))}
timeframe: {timeframe}
capital: {capital}
confidence: {confidence}
variants: {{{own}{", " if variants else ""}{variants}}}
sections:
  S1: {{{s1}}}
  O1: {{{o1}}}
  Z1: {{{z1}, order: {order}, size: {size}, leverage: {leverage}{protection}}}
  ZE1: {{{ze1}}}
  E1: {{{e1}}}
costs: {costs}
limits: {limits}
account: {account}
"""


# Runs

Market = str | pl.DataFrame | Mapping[str, str | pl.DataFrame]


def _frames(market: Market, start_min: int, timeframe: str) -> dict[str, pl.DataFrame]:
    own = market if isinstance(market, Mapping) else {A: market}
    return {name: bars(rows, start_min, timeframe) if isinstance(rows, str) else rows for name, rows in own.items()}


def write_catalog(
    folder: Path,
    frames: Mapping[str, pl.DataFrame],
    timeframe: str,
    rules: Mapping[str, str],
    funding: Mapping[str, Mapping[float, float]],
) -> None:
    """Bars, lines of instruments.yaml, and funding rates by minute."""
    for name, frame in frames.items():
        venue, symbol = name.split(":")
        path = folder / "bars" / venue / f"{symbol}-{timeframe}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)
    (folder / "instruments.yaml").write_text("".join(f'"{name}": {own}\n' for name, own in rules.items()))
    for name, rates in funding.items():
        venue, symbol = name.split(":")
        path = folder / "funding" / venue / f"{symbol.rsplit('-', 1)[0]}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ts_ns = [START_NS + round(minute * MINUTE_NS) for minute in rates]
        ts = pl.Series(ts_ns, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
        pl.DataFrame({"ts": ts, "rate": list(rates.values())}).write_parquet(path)


def run(
    strategies: str | Sequence[str],
    market: Market,
    *,
    start_min: int = 0,
    rules: Mapping[str, str] | None = None,
    funding: Mapping[str, Mapping[float, float]] | None = None,
    seed: int = 0,
    kill: Mapping[float, Mapping[str, Any]] | None = None,
) -> Run:
    """Run strategies over tables, in both drivers, with the invariants checked after every event.

    ``rules`` are lines of instruments.yaml, ``funding`` rates by minute, ``kill`` events of the kill switch by minute
    (then the driver of single events alone runs: the other one has no outside).
    """
    texts = [strategies] if isinstance(strategies, str) else list(strategies)
    timeframe = next(line.split()[1] for line in texts[0].splitlines() if line.startswith("timeframe"))
    frames = _frames(market, start_min, timeframe)
    with tempfile.TemporaryDirectory() as folder:
        data: Any = frames
        if rules or funding:
            data = folder
            write_catalog(Path(folder), frames, timeframe, rules or {}, funding or {})
        loaded = runs_strategies.load_strategies(texts)
        seen = markets_bars.load_market(loaded, data, accepted=frozenset(ACCEPT))
        plan = make_plan(loaded, seen.rules, seed=seed)
        recorder = drive(plan, seen, kill or {})
        if not kill:
            done = runs_backtest.backtest(*texts, data=data, seed=seed, accept=ACCEPT)
            assert done.summary["state_hash"] == state_hash(plan.states, plan.arena), "both drivers do the same"
            return done
    result = results_build.build(plan, recorder, data_digest="", seed=seed, warnings=[], quality=[])
    return SignalRun(result=result, strategies=loaded, market=seen, timing={})


def drive(plan: Plan, seen: markets_bars.Market, kill: Mapping[float, Mapping[str, Any]]) -> Recorder:
    """One event at a time, with the kill switch between them, invariants checked after each."""

    def check(own: Plan) -> None:
        check_invariants(own.states[0])

    recorder = Recorder()
    feed = seen.feed(plan)
    session = bars_one_by_one.make_loop(plan, recorder, check)
    waiting = sorted((START_NS + round(minute * MINUTE_NS), fields) for minute, fields in kill.items())
    events = np.zeros(1, EVENT)
    while bars_one_by_one.replay_bars.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, events):
        while waiting and waiting[0][0] <= events[0]["ts_init_ns"]:
            ts_ns, fields = waiting.pop(0)
            session.take(kill_switch(ts_ns, **fields))
        session.take(events)
    session.close()
    return recorder


def kill_switch(ts_ns: int, engaged: bool = True, instrument: int = -1, strategy: int = -1) -> Rows:
    """The event of an operator who engages or re-arms the kill switch of everything, a symbol or a strategy."""
    event = np.zeros(1, EVENT)
    event["kind"] = int(EventKind.KILL_SWITCH)
    event["ts_event_ns"] = event["ts_init_ns"] = ts_ns
    event["order_id"] = int(engaged)
    event["instrument"], event["instance"], event["order_slot"] = instrument, -1, strategy
    return event


# What came out


def minute_of(ts_ns: int | None) -> float | None:
    """Minutes after START_NS."""
    return None if ts_ns is None else (ts_ns - START_NS) / MINUTE_NS


def rows_of(table: pl.DataFrame, **wanted: Any) -> list[SimpleNamespace]:
    """The rows of a result table whose columns have the ``wanted`` values, times in minutes."""
    found = []
    for row in table.iter_rows(named=True):
        own = {k.removesuffix("_ts") + "_min" if k.endswith("_ts") else k: v for k, v in row.items()}
        own |= {k.removesuffix("_ts") + "_min": minute_of(v) for k, v in row.items() if k.endswith("_ts")}
        if "ts" in row:
            own["min"] = minute_of(row["ts"])
        if all(own[key] == value for key, value in wanted.items()):
            found.append(SimpleNamespace(**own))
    return found


def trades_of(done: Run, **wanted: Any) -> list[SimpleNamespace]:
    return rows_of(done.trades, **wanted)


def orders_of(done: Run, **wanted: Any) -> list[SimpleNamespace]:
    return rows_of(done.orders, **wanted)


def fills_of(done: Run, **wanted: Any) -> list[SimpleNamespace]:
    return rows_of(done.fills, **wanted)


def signals_of(done: Run, **wanted: Any) -> list[SimpleNamespace]:
    return rows_of(done.signals, **wanted)


def trade_of(done: Run) -> SimpleNamespace:
    """The one trade of a run."""
    (own,) = trades_of(done)
    return own


def denials_of(done: Run) -> list[tuple[float, str]]:
    """When an order was denied, and why."""
    return [(order.submitted_min, order.reason) for order in orders_of(done, state="DENIED")]


def states_of(done: Run, instrument: str = A) -> list[tuple[float, str]]:
    """When an instance came into which state."""
    return [(row.min, row.to_state) for row in rows_of(done.transitions, instrument=instrument)]


def warned_of(done: Run, text: str) -> bool:
    return any(text in warning for warning in done.summary["warnings"])
