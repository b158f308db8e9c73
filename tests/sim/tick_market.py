"""Small markets of ticks for tests: quotes and prints from rows, a strategy from a few words, and one call that runs.

Seconds are from START_NS. A quote is ``(seconds, bid, ask)`` or ``(seconds, bid, ask, "S1+Z1")``: the sections named
make their condition TRUE while that quote is in force (the bid's quantity says so, as the volume does in
``sim.market``). A print is ``(seconds, price, quantity)``, sold when the quantity is written as a string with a minus,
as ``"-2"``; a None among the prints leaves out a trade id, which is what tells a gap.
"""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from sim.market import NO_ACCOUNT_LIMITS, QUIET_VOLUME, SECTION_BITS, when
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.run import Run
from tightloop.core.state import check_invariants, state_hash
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.results.recorder import Recorder

A, B = "lab:AAAUSDT-perp", "lab:BBBUSDT-perp"
START_NS = 1_704_110_400_000_000_000  # 2024-01-01T12:00:00Z
RULES = (
    "price_increment: 0.01, lot_size: 0.001, contract_size: 1, settle_asset: USDT, taker_bps: 0, maker_bps: 0, "
    "min_notional: 0, calendar: always, margin_tiers: [{maintenance_pct: 1, leverage_max: 20}]"
)
ACCEPT = ("holes",)

Quotes = Sequence[tuple[Any, ...]]
Prints = Sequence[tuple[Any, ...] | None]
Tape = tuple[Quotes, Prints]


def strategy(
    *,
    name: str = "tiny",
    direction: str = "LONG",
    instruments: Sequence[str] = (A,),
    feed: str = "[trades, quotes]",
    variants: str = "",
    s1: str = when("S1"),
    o1: str = when("O1"),
    z1: str = "immediate: true",
    ze1: str = when("ZE1"),
    e1: str = when("E1"),
    order: str = "{type: market}",
    size: str = "{type: units, value: 1}",
    stop: str = "",
    target: str = "",
    costs: str = '{taker_bps: 0, maker_bps: 0, funding: "off"}',
    latency: str = "{submit_ms: 0, cancel_ms: 0, response_ms: 0, clock: receive}",
    limits: str = "{}",
    account: str = NO_ACCOUNT_LIMITS,
) -> str:
    """The text of a strategy that enters one unit at market when a quote says S1; arguments are YAML."""
    protection = (f", stop_loss: {stop}" if stop else "") + (f", take_profit: {target}" if target else "")
    return f"""
name: {name}
family: signal
direction: {direction}
instruments: [{", ".join(f'"{own}"' for own in instruments)}]
feed: {feed}
capital: 10_000
variants: {{vol: {{type: BID_QTY}}{", " if variants else ""}{variants}}}
sections:
  S1: {{{s1}}}
  O1: {{{o1}}}
  Z1: {{{z1}, order: {order}, size: {size}{protection}}}
  ZE1: {{{ze1}}}
  E1: {{{e1}}}
costs: {costs}
latency: {latency}
limits: {limits}
account: {account}
"""


def _at_ns(seconds: Sequence[float]) -> np.ndarray[Any, Any]:
    return START_NS + np.array([round(own * 1e9) for own in seconds], np.int64)


def _quotes(rows: Quotes, received_s: float) -> pl.DataFrame:
    flags = [sum(SECTION_BITS[word] for word in row[3].split("+")) if len(row) > 3 else 0 for row in rows]
    at = _at_ns([row[0] for row in rows])
    return pl.DataFrame({
        "ts_event_ns": at, "ts_init_ns": at + round(received_s * 1e9),
        "bid": [float(row[1]) for row in rows], "bid_qty": [float(QUIET_VOLUME + flag) for flag in flags],
        "ask": [float(row[2]) for row in rows], "ask_qty": [float(QUIET_VOLUME)] * len(rows),
    })  # fmt: skip


def _prints(rows: Prints, received_s: float) -> pl.DataFrame:
    ids = [number for number, row in enumerate(rows, 1) if row is not None]
    kept = [row for row in rows if row is not None]
    at = _at_ns([row[0] for row in kept])
    return pl.DataFrame(
        {
            "ts_event_ns": at, "ts_init_ns": at + round(received_s * 1e9), "trade_id": ids,
            "price": [float(row[1]) for row in kept], "qty": [abs(float(row[2])) for row in kept],
            "buyer_is_maker": [str(row[2]).startswith("-") for row in kept],
        },
        schema_overrides={"trade_id": pl.Int64, "price": pl.Float64, "qty": pl.Float64, "buyer_is_maker": pl.Boolean},
    )  # fmt: skip


def write_catalog(
    root: Path,
    tapes: Mapping[str, Tape],
    *,
    rules: Mapping[str, str] | None = None,
    funding: Mapping[float, float] | None = None,
    received_s: float = 0.0,
) -> Path:
    """A catalog of tapes; ``rules`` replaces lines of instruments.yaml, ``funding`` has rates by second, for all."""
    lines = []
    for name, (quotes, prints) in tapes.items():
        venue, _, stem = name.partition(":")
        for kind, frame in (("quotes", _quotes(quotes, received_s)), ("trades", _prints(prints, received_s))):
            path = root / kind / venue / stem / "2024-01-01.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(path)
        lines.append(f'"{name}": {{{(rules or {}).get(name, RULES)}}}\n')
        if funding:
            path = root / "funding" / venue / f"{stem.removesuffix('-perp')}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            ts = pl.Series(_at_ns(list(funding))).cast(pl.Datetime("ns", "UTC"))
            pl.DataFrame({"ts": ts, "rate": list(funding.values())}).write_parquet(path)
    (root / "instruments.yaml").write_text("".join(lines), encoding="utf-8")
    return root


def run(strategies: str | Sequence[str], tapes: Tape | Mapping[str, Tape], **market: Any) -> Run:
    """Run strategies over tapes in both drivers, with the invariants checked after every event."""
    texts = [strategies] if isinstance(strategies, str) else list(strategies)
    own = tapes if isinstance(tapes, Mapping) else {A: tapes}
    with tempfile.TemporaryDirectory() as folder:
        return run_on(texts, write_catalog(Path(folder), own, **market))


def run_on(texts: Sequence[Any], root: Path, **options: Any) -> Run:
    """The same on a catalog that is there."""
    done = runs_backtest.backtest(*texts, data=root, accept=ACCEPT, **options)
    loaded = runs_strategies.load_strategies(list(texts), **options)
    market = load_tick_market(loaded, root, accepted=frozenset(ACCEPT))
    plan = make_plan(loaded, market.rules)

    def check(own: Plan) -> None:
        check_invariants(own.states[0])

    ticks_one_by_one.run(plan, market.feed(plan), Recorder(), check)
    assert done.summary["state_hash"] == state_hash(plan.states, plan.arena), "both drivers do the same"
    return done


def rows_of(table: pl.DataFrame, **wanted: Any) -> list[SimpleNamespace]:
    """The rows of a result table whose columns have the ``wanted`` values, times in seconds."""
    found = []
    for row in table.iter_rows(named=True):
        own = {
            key: (value - START_NS) / 1e9 if key.endswith("ts") and value is not None else value
            for key, value in row.items()
        }
        if all(own[key] == value for key, value in wanted.items()):
            found.append(SimpleNamespace(**own))
    return found


def fired(done: Run, **wanted: Any) -> list[tuple[float, str]]:
    """When which section fired."""
    return [(row.ts, row.section) for row in rows_of(done.signals, event="fired", **wanted)]


def steady(first: float, last: float, every: float, *row: Any) -> list[tuple[Any, ...]]:
    """The same row again and again, from ``first`` to before ``last``."""
    return [(at, *row) for at in itertools.takewhile(lambda own: own < last, itertools.count(first, every))]
