"""The example strategies on ticks, on the laboratory and on real ticks: what every run of them must be."""

import functools
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.signal import TABLES
from tightloop.app.text.window import window_of
from tightloop.core.state import check_invariants, state_hash
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.results.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
EXAMPLES = sorted((ROOT / "strategies" / "ticks").glob("*.yaml"))
INSTRUMENTS = {
    "lab": ["lab:PUMPBUSDT-perp", "lab:PUMPDUSDT-perp"],
    "real": ["binance:BTCUSDT-perp", "binance:ETHUSDT-perp"],
}
TRADES_ON = {
    "lab": {"book_pump_long", "conservative_long", "flash_pump_long", "peak_fade_short", "python_quoting"},
    "real": {"ofi_scalp", "python_quoting"},
}
"""Which of them are made for which market; the others have to run there too, and agree."""

BOOKLESS = "real"
"""The real rows have no order books."""


def runs_of_examples(on_real):
    """Each example on each market it can run on; ``on_real``: the marks of those on real rows."""
    return pytest.mark.parametrize(
        ("path", "market"),
        [
            pytest.param(path, market, marks=on_real if market == "real" else [], id=f"{path.stem}-{market}")
            for path in EXAMPLES
            for market in INSTRUMENTS
            if not (market == BOOKLESS and "book" in path.stem)
        ],
    )


each_run = runs_of_examples([pytest.mark.real_data])
each_run_and_more_at_night = runs_of_examples([pytest.mark.real_data, pytest.mark.nightly])


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    lab = tmp_path_factory.mktemp("lab")
    write_tick_sample(lab, ["pump"], seed=1, books=True)
    return {"lab": lab, "real": REAL}


def root_of(roots, market):
    if market == "real" and not REAL.is_dir():
        assert not os.environ.get("CI"), f"{REAL} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    return roots[market]


def settings_of(path, market):
    """A quoter of coins of a cent instead of bitcoin."""
    return ["params.qty=500", "params.held_max=2000"] if (path.stem, market) == ("python_quoting", "lab") else []


def end_of(path, market):
    """Code of Python takes its time, and quotes from the first second on."""
    return "2024-01-01T12:10:00" if (path.stem, market) == ("python_quoting", "lab") else None


def run(path, root, market, **options):
    return runs_backtest.backtest(
        path,
        data=root,
        end=end_of(path, market),
        instruments=INSTRUMENTS[market],
        settings=settings_of(path, market),
        **options,
    )


@pytest.fixture(scope="module")
def plain_run(roots):
    """The run of an example as it is, made once for all that is held against it."""

    @functools.cache
    def of(path, market):
        return run(path, root_of(roots, market), market)

    return of


def frames(done):
    return {name: getattr(done, name) for name in TABLES}


def rest(done):
    return {name: value for name, value in done.summary.items() if name != "inputs"}


@each_run
def test_both_drivers_and_a_second_run_of_an_example_are_the_same(path, market, roots, plain_run):
    root = root_of(roots, market)
    one = plain_run(path, market)
    again, other = (run(path, root, market, one_by_one=by_one) for by_one in (False, True))
    assert rest(one) == rest(again) == rest(other)
    for name, frame in frames(one).items():
        assert frame.equals(frames(again)[name]), name
        assert frame.equals(frames(other)[name]), name
    if path.stem in TRADES_ON[market]:
        assert len(one.trades) > 0, "a comparison of nothing"


@each_run_and_more_at_night
def test_every_step_of_an_example_keeps_the_rules(path, market, roots, plain_run):
    root, steps = root_of(roots, market), []
    settings = settings_of(path, market)
    loaded = runs_strategies.load_strategies([path], instruments=INSTRUMENTS[market], settings=settings)
    seen = load_tick_market(loaded, root, end_ns=window_of(None, end_of(path, market))[1])
    plan = make_plan(loaded, seen.rules)

    def check(own):
        steps.append(1)
        if len(steps) % 20 == 0:
            check_invariants(own.states[0])

    ticks_one_by_one.run(plan, seen.feed(plan), Recorder(), check)
    assert len(steps) > 1_000
    assert plain_run(path, market).summary["state_hash"] == state_hash(plan.states, plan.arena)


def with_another_future(root, into, market, cut_ns, seed):
    """A catalog whose ticks are as they were until ``cut_ns``, and others from then on."""
    random = np.random.default_rng(seed)
    price, volume = random.uniform(0.9, 1.1), random.uniform(0.2, 5.0)
    into.mkdir(parents=True)
    if (root / "instruments.yaml").exists():
        (into / "instruments.yaml").write_text((root / "instruments.yaml").read_text())
    for name in INSTRUMENTS[market]:
        venue, _, stem = name.partition(":")
        for kind, prices in (("trades", ["price"]), ("quotes", ["bid", "ask"]), ("books", ["price"])):
            for file in sorted((root / kind / venue / stem).glob("*.parquet")):
                rows = pl.read_parquet(file)
                # The venue knows a tick when it happened, the strategy when it was received: later for both of them.
                is_later = (rows["ts_init_ns"].cast(pl.Int64) >= cut_ns) & (
                    rows["ts_event_ns"].cast(pl.Int64) >= cut_ns
                )
                sizes = [column for column in rows.columns if column.endswith("qty")]
                changed = rows.with_columns(
                    *(pl.when(is_later).then(pl.col(own) * price).otherwise(pl.col(own)).alias(own) for own in prices),
                    *(pl.when(is_later).then(pl.col(own) * volume).otherwise(pl.col(own)).alias(own) for own in sizes),
                )
                path = into / kind / venue / stem / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                changed.write_parquet(path)
        funding = root / "funding" / venue / f"{stem.rpartition('-')[0]}.parquet"
        if funding.exists():
            (into / "funding" / venue).mkdir(parents=True, exist_ok=True)
            (into / "funding" / venue / funding.name).write_bytes(funding.read_bytes())
    return into


def until(done, cut_ns):
    """What a run had done and written before a time; a trade as far as it was known then."""
    found = {}
    for name, ts in (("fills", "ts"), ("signals", "ts"), ("transitions", "ts"), ("orders", "submitted_ts")):
        kept = getattr(done, name).filter(pl.col(ts) < cut_ns)
        if name == "orders":
            kept = kept.select("order_id", "instrument", "role", "side", "price", "submitted_ts")
        found[name] = kept.drop("session_id", "signal_id", strict=False)
    minute_ns = 60_000_000_000
    found["equity"] = done.equity.filter(pl.col("ts") < cut_ns // minute_ns * minute_ns)
    return found


@each_run
def test_what_comes_after_a_moment_changes_nothing_of_an_example_before_it(path, market, roots, tmp_path, plain_run):
    root = root_of(roots, market)
    whole = plain_run(path, market)
    random = np.random.default_rng(sum(path.stem.encode()))
    ts = whole.fills["ts"] if len(whole.fills) else whole.equity["ts"]
    # Just behind a fill, where something is at stake; and in the middle of the run.
    for k, cut_ns in enumerate(
        (int(ts[int(random.integers(len(ts)))]) + 1, int(whole.equity["ts"][len(whole.equity) // 2]))
    ):
        changed = run(path, with_another_future(root, tmp_path / str(k), market, cut_ns, k), market)
        one, other = until(whole, cut_ns), until(changed, cut_ns)
        for name, frame in one.items():
            assert frame.equals(other[name]), (name, cut_ns)
