"""Labelled tick markets: the same bytes for a seed, labels that are true, figures near the real ones."""

import dataclasses
import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

import indicators_brute as brute
from tightloop.adapters.data._shared import Verdict
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import calendars, check, select
from tightloop.adapters.data.tick_sample import SCENARIOS, measure, write_tick_sample
from tightloop.adapters.data.tick_sample.constants import ARRIVAL_FACTOR, REAL, SPREAD_FACTOR
from tightloop.adapters.data.tick_sample.scenarios import QUIET_S
from tightloop.adapters.data.tick_sample.writing import START_NS
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

NS = 10**9


@pytest.fixture(scope="module", params=[1, 2])
def market(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    return write_tick_sample(root, ["all"], seed=request.param)


def ticks(market, kind, instrument):
    return Catalog(market.root).ticks(kind, InstrumentId.parse(instrument)).columns


def of(market, scenario):
    return [instrument for instrument in market.instruments if instrument.startswith(f"lab:{scenario.upper()}")]


def digest(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_tick_sample(tmp_path / name, ["pump", "halt"], seed=seed)
    first, second, other = (digest(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    changed = {name.split("/")[0] for name in first if first[name] != other[name]}
    assert changed == {"trades", "quotes", "bars", "labels.parquet", "README.md"}


def test_a_scenario_is_the_same_whatever_is_made_beside_it(tmp_path, market):
    seed = 1 if "--seed 1\n" in (market.root / "README.md").read_text() else 2
    write_tick_sample(tmp_path, ["gap"], seed=seed)
    alone, beside = digest(tmp_path), digest(market.root)
    assert {name for name in alone if alone[name] != beside[name]} == {
        "README.md",
        "instruments.yaml",
        "labels.parquet",
    }


def test_the_numbers_of_a_seed_never_change(tmp_path):
    made = write_tick_sample(tmp_path, ["pump"], seed=1)
    trades, quotes = (ticks(made, kind, made.instruments[0]) for kind in ("trades", "quotes"))
    columns = [trades[name] for name in ("ts_event_ns", "ts_init_ns", "trade_id", "price", "qty", "buyer_is_maker")]
    columns += [quotes[name] for name in ("ts_event_ns", "ts_init_ns", "bid", "bid_qty", "ask", "ask_qty")]
    # The values, not the file: a new version of Parquet may write them with other bytes.
    assert hashlib.sha256(b"".join(np.asarray(column, "f8").tobytes() for column in columns)).hexdigest() == PINNED


PINNED = "ffaf562b82e38abb95327a243f009bf4949ec0ff3b8480b8a8e3cbf97b72119b"


def test_each_scenario_is_a_few_hundred_thousand_rows_at_most(market):
    for scenario in SCENARIOS:
        rows = sum(
            len(ticks(market, kind, i)["ts_init_ns"]) for i in of(market, scenario) for kind in ("trades", "quotes")
        )
        assert 2_000 < rows < 500_000, scenario
    assert sum(path.stat().st_size for path in market.root.rglob("*") if path.is_file()) < 30_000_000


def test_rows_are_in_order_and_quotes_are_never_crossed(market):
    for instrument in market.instruments:
        trades, quotes = (ticks(market, kind, instrument) for kind in ("trades", "quotes"))
        for columns in (trades, quotes):
            assert (np.diff(columns["ts_init_ns"]) >= 0).all()
            assert (columns["ts_init_ns"] > columns["ts_event_ns"]).all()
        assert (quotes["ask"] > quotes["bid"]).all()
        assert (trades["qty"] > 0).all()
        assert min(quotes["bid_qty"].min(), quotes["ask_qty"].min()) > 0


def test_trades_are_at_the_quotes_that_were_in_force(market):
    for instrument in of(market, "flat") + of(market, "thin"):
        trades, quotes = (ticks(market, kind, instrument) for kind in ("trades", "quotes"))
        before = np.searchsorted(quotes["ts_event_ns"], trades["ts_event_ns"], side="left") - 1
        known = before >= 0
        best = np.where(trades["buyer_is_maker"] == 1, quotes["bid"][before], quotes["ask"][before])[known]
        off = np.abs(trades["price"][known] - best) / best
        assert (off < 1e-9).mean() > 0.5, "the rest are large orders that went one increment further"
        assert off.max() < 0.002


def test_prices_and_quantities_are_whole_increments_and_rules_are_complete(market):
    catalog = Catalog(market.root)
    for instrument in catalog.instruments():
        rules = catalog.rules(instrument)
        assert rules.defaults_used == ()
        trades, quotes = (ticks(market, kind, str(instrument)) for kind in ("trades", "quotes"))
        for values, step in (
            (trades["price"], rules.price_increment),
            (quotes["bid"], rules.price_increment),
            (quotes["ask"], rules.price_increment),
            (trades["qty"], rules.lot_size),
            (quotes["bid_qty"], rules.lot_size),
        ):
            np.testing.assert_allclose(values / step, np.rint(values / step), atol=1e-4)


def test_the_gate_finds_the_gaps_and_nothing_else(market):
    reports = {report.path: report for report in check(select(market.root), calendars(market.root))}
    gaps = {path for path in reports if path.startswith(("trades/lab/GAP", "bars/lab/GAP"))}
    assert len(gaps) == 12
    for path, report in reports.items():
        assert [fault.kind for fault in report.faults] == (["holes"] if path in gaps else []), path
        assert report.verdict == (Verdict.USABLE if path in gaps else Verdict.FIT), path


def test_a_gap_leaves_out_trade_ids_and_minutes_of_quotes(market):
    for instrument in of(market, "gap"):
        trades, quotes = (ticks(market, kind, instrument) for kind in ("trades", "quotes"))
        jump = np.flatnonzero(np.diff(trades["trade_id"]) > 1)
        assert len(jump) == 1
        silence = np.diff(quotes["ts_init_ns"]).max() / NS
        assert 59 < silence < 100
        assert (np.diff(trades["ts_init_ns"])[jump[0]]) / NS > 59


def test_a_halt_has_no_quotes_and_no_missing_trades_and_another_price_after_it(market):
    for label in (label for label in market.labels if label.scenario == "halt"):
        trades, quotes = (ticks(market, kind, label.instrument) for kind in ("trades", "quotes"))
        assert (np.diff(trades["trade_id"]) == 1).all()
        during = (trades["ts_event_ns"] > label.start_ns) & (trades["ts_event_ns"] < label.peak_ns)
        assert not during.any()
        assert 299 < np.diff(quotes["ts_init_ns"]).max() / NS < 620
        assert 7 < abs(label.magnitude_pct) < 22
        assert not label.is_pump


def test_labels_are_what_the_trades_did(market):
    stored = pq.read_table(market.root / "labels.parquet").to_pylist()
    told = [{**dataclasses.asdict(label), "is_pump": label.is_pump} for label in market.labels]
    assert stored == told
    for label in market.labels:
        if label.kind == "none":
            continue
        trades = ticks(market, "trades", label.instrument)
        at, price = trades["ts_event_ns"], trades["price"]
        first, peak, last = (
            price[np.searchsorted(at, edge, side="right") - 1] for edge in (label.start_ns, label.peak_ns, label.end_ns)
        )
        # Trades of one order share a moment: the extreme is one of them.
        assert 100 * (peak / first - 1) == pytest.approx(label.magnitude_pct, abs=0.5)
        assert 100 * (peak - last) / (peak - first) == pytest.approx(label.retracement_pct, abs=8)
        span = price[(at >= label.start_ns) & (at <= label.end_ns)]
        extreme = span.max() if label.magnitude_pct > 0 else span.min()
        assert 100 * (extreme / first - 1) == pytest.approx(label.magnitude_pct, abs=1e-4)


def test_pumps_and_dumps_are_as_large_and_as_loud_as_the_real_ones(market):
    surges = []
    for label in (label for label in market.labels if label.kind in ("pump", "dump")):
        assert 5.5 < abs(label.magnitude_pct) < 27
        assert (label.magnitude_pct > 0) == (label.kind == "pump")
        assert (label.peak_ns - label.start_ns) / NS < 1_900
        trades = ticks(market, "trades", label.instrument)
        at, qty = trades["ts_event_ns"], trades["qty"]
        quiet, loud = at < label.start_ns, (at >= label.start_ns) & (at < label.peak_ns)
        times = (label.peak_ns - label.start_ns) / (label.start_ns - START_NS)
        surges.append(qty[loud].sum() / qty[quiet].sum() / times)
    assert 3 < np.median(surges) < 20


def test_a_market_move_moves_all_coins_at_once_and_is_no_pump(market):
    for scenario in ("pump", "dump"):
        moves = [label for label in market.labels if label.scenario == scenario and label.kind == "market_move"]
        assert {label.instrument for label in moves} == set(of(market, scenario))
        assert len({(label.start_ns, label.end_ns) for label in moves}) == 1
        assert not any(label.is_pump for label in moves)
        assert all((label.magnitude_pct > 0) == (scenario == "pump") for label in moves)


def peak_fade_signals(market, instrument, begin_ns, end_ns):
    """How often the S1 of a peak fade holds, looked at every two seconds."""
    trades = ticks(market, "trades", instrument)
    held = 0
    for now in range(begin_ns, end_ns, 2 * NS):
        first, last = np.searchsorted(trades["ts_init_ns"], (now - 700 * NS, now), side="right")
        at, price, qty = (trades[name][first:last] for name in ("ts_init_ns", "price", "qty"))
        held += bool(
            brute.pump_magnitude_pct(at, price, now, 10, 60, 30) >= 8
            and brute.price_velocity(at, price, now, 10, 40, 10) >= 0.25
            and brute.volume_surge_ratio(at, qty, now, 30, 0, 600, 30) >= 3.5
        )
    return held


def test_the_larger_pumps_are_quick_enough_for_a_peak_fade_and_market_moves_are_not(market):
    found = {"pump": [], "market_move": []}
    for label in market.labels:
        if label.scenario == "pump" and label.kind in found:
            around = label.peak_ns - 40 * NS, label.peak_ns + 20 * NS
            found[label.kind].append(peak_fade_signals(market, label.instrument, *around) > 0)
    assert 2 <= sum(found["pump"]) < 5
    assert not any(found["market_move"])


def test_nothing_happens_before_half_an_hour_is_warm(market):
    assert QUIET_S >= 35 * 60
    assert min(label.start_ns for label in market.labels) >= START_NS + QUIET_S * NS
    for instrument in market.instruments:
        trades = ticks(market, "trades", instrument)
        quiet = trades["price"][trades["ts_event_ns"] < START_NS + QUIET_S * NS]
        assert quiet.max() / quiet.min() < (1.15 if "THIN" in instrument else 1.08)


def test_flat_is_flat_and_thin_is_thin(market):
    for instrument in of(market, "flat"):
        price = ticks(market, "trades", instrument)["price"]
        assert price.max() / price.min() < 1.02
    for thin, usual in zip(of(market, "thin"), of(market, "flat"), strict=True):
        few, many = (len(ticks(market, "trades", instrument)["price"]) for instrument in (thin, usual))
        assert few < many / 3
        wide, narrow = (
            float(np.median((quotes["ask"] - quotes["bid"]) / quotes["bid"]))
            for quotes in (ticks(market, "quotes", instrument) for instrument in (thin, usual))
        )
        assert wide > 5 * narrow
        assert wide > 0.002


def quiet_figures(market):
    """The median figures of coins to which nothing happened, over the whole tape."""
    catalog = Catalog(market.root)
    found = []
    for instrument in of(market, "flat"):
        trades, quotes = (ticks(market, kind, instrument) for kind in ("trades", "quotes"))
        rules = catalog.rules(InstrumentId.parse(instrument))
        found.append(dataclasses.asdict(measure(trades, quotes, rules.price_increment)))
    return {name: float(np.median([own[name] for own in found])) for name in found[0]}


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("prints_per_order", 0.2),
        ("gap_cv", 0.3),
        ("clustering_10", 0.4),
        ("clustering_100", 0.5),
        ("size_tail", 0.25),
        ("size_mean_to_median", 0.35),
        ("sign_memory_1", 0.25),
        ("sign_memory_10", 0.35),
        ("depth_orders", 0.25),
        ("imbalance_rms", 0.1),
    ],
)
def test_figures_are_within_a_stated_distance_of_the_range_of_the_real_ones(market, name, within):
    real = [getattr(own, name) for own in REAL.values()]
    assert min(real) * (1 - within) <= quiet_figures(market)[name] <= max(real) * (1 + within)


def test_what_makes_a_small_coin_of_a_large_one_is_as_stated(market):
    found = quiet_figures(market)
    pace = np.median([own.orders_per_s for own in REAL.values()]) * ARRIVAL_FACTOR
    assert found["orders_per_s"] == pytest.approx(pace, rel=0.25)
    perps = np.mean([REAL[name].spread_ticks for name in ("BTCUSDT-perp", "ETHUSDT-perp")])
    assert found["spread_ticks"] == pytest.approx(perps * SPREAD_FACTOR, rel=0.25)


def test_the_readme_sets_the_sample_beside_the_real_market(market):
    text = (market.root / "README.md").read_text()
    for name in (*SCENARIOS, *REAL):
        assert name in text
    row = next(line for line in text.splitlines() if line.startswith("| tail index of order sizes"))
    cells = [float(cell) for cell in row.split("|")[2:-1]]
    assert len(cells) == len(SCENARIOS) + len(REAL)
    assert all(0.6 < cell < 1.6 for cell in cells)


def test_bars_are_made_of_the_trades(market):
    catalog = Catalog(market.root)
    for instrument in (of(market, "pump")[0], of(market, "thin")[0], of(market, "gap")[0]):
        bars = catalog.bars(InstrumentId.parse(instrument), "1m").bars
        trades = ticks(market, "trades", instrument)
        assert bars["volume"].sum() == pytest.approx(trades["qty"].sum())
        assert bars["high"].max() == trades["price"].max()
        assert bars["low"].min() == trades["price"].min()


@pytest.mark.parametrize(
    ("scenarios", "seed", "message"),
    [(["boom"], 1, "boom is not a scenario; use one of pump, dump"), (["pump"], -1, "--seed: -1"), ([], 1, "nothing")],
)
def test_bounds_are_kept(tmp_path, scenarios, seed, message):
    with pytest.raises(InputError, match=message):
        write_tick_sample(tmp_path, scenarios, seed=seed)


def test_nothing_that_is_there_is_written_over_unless_asked(tmp_path):
    (tmp_path / "instruments.yaml").write_text("# mine\n")
    with pytest.raises(InputError, match="already exists"):
        write_tick_sample(tmp_path, ["flat"])
    write_tick_sample(tmp_path, ["flat"], replace=True)
