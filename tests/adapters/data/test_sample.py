"""The synthetic market: the same bytes for a seed, and what makes it look like a market."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from tightloop.adapters.data._shared import Verdict
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import calendars, check, select
from tightloop.adapters.data.sample import COINS, START_NS, write_sample
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

MINUTE_NS = 60_000_000_000
SMALL_CAPS = [coin.symbol for coin in COINS if coin.events_per_day]


@pytest.fixture(scope="module", params=[1, 2])
def market(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    write_sample(root, seed=request.param)
    return root


def loaded(root, symbol):
    return Catalog(root).bars(InstrumentId("sample", symbol, "perp"), "1m").bars


def labels(root):
    return pq.read_table(root / "labels/pumps.parquet").to_pylist()


def digest(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_sample(tmp_path / name, seed=seed, days=2)
    first, second, other = (digest(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    assert first["bars/sample/BTCUSDT-perp-1m.parquet"] != other["bars/sample/BTCUSDT-perp-1m.parquet"]


def test_the_numbers_of_a_seed_never_change(tmp_path):
    write_sample(tmp_path, seed=1, days=1)
    bars = loaded(tmp_path, "PUMPAUSDT")
    numbers = np.column_stack([bars[name] for name in ("open", "high", "low", "close", "volume")])
    # The values, not the file: a new version of Parquet may write them with other bytes.
    assert hashlib.sha256(numbers.tobytes()).hexdigest() == PINNED


PINNED = "452534c04619703ba2929e8873268b308e9c02c65a7c3d8e931034a4e0dea83e"


def test_the_market_is_usable_and_has_holes_and_no_other_fault(market):
    reports = list(check(select(market), calendars(market)))
    assert {report.verdict for report in reports} <= {Verdict.FIT, Verdict.USABLE}
    assert {fault.kind for report in reports for fault in report.faults} == {"holes"}
    assert len(reports) == 2 * len(COINS)


@pytest.mark.parametrize("symbol", [coin.symbol for coin in COINS])
def test_returns_have_heavy_tails_and_their_size_comes_in_clusters(market, symbol):
    returns = np.diff(np.log(loaded(market, symbol)["close"]))
    centred = returns - returns.mean()
    kurtosis = (centred**4).mean() / (centred**2).mean() ** 2
    size = np.abs(returns)
    remembered = [float(np.corrcoef(size[lag:], size[:-lag])[0, 1]) for lag in (1, 10, 60)]
    assert kurtosis > 6
    assert remembered[0] > 0.2
    assert remembered[1] > 0.1
    assert remembered[2] > 0.02
    assert abs(float(np.corrcoef(returns[1:], returns[:-1])[0, 1])) < 0.35


def test_coins_move_together(market):
    btc, eth = (loaded(market, symbol) for symbol in ("BTCUSDT", "ETHUSDT"))
    both, left, right = np.intersect1d(btc["open_ns"], eth["open_ns"], return_indices=True)
    assert len(both) > 14_000
    returns = np.corrcoef(np.diff(np.log(btc["close"][left])), np.diff(np.log(eth["close"][right])))[0, 1]
    assert returns > 0.4


def test_the_hours_of_new_york_are_livelier_than_the_asian_night(market):
    bars = loaded(market, "BTCUSDT")
    hour = bars["open_ns"] // (60 * MINUTE_NS) % 24
    busy, quiet = (bars["volume"][(hour >= low) & (hour < low + 4)].mean() for low in (13, 1))
    assert busy > 1.4 * quiet


def test_each_small_cap_has_pumps_and_the_majors_have_none(market):
    named = {label["instrument"].split(":")[1].removesuffix("-perp") for label in labels(market)}
    assert named == set(SMALL_CAPS)
    assert {label["kind"] for label in labels(market)} == {"pump", "dump"}


def test_a_pump_lifts_the_price_by_its_magnitude_in_minutes_on_a_surge_of_volume_and_half_falls_back(market):
    given_back = []
    for label in labels(market):
        symbol = label["instrument"].split(":")[1].removesuffix("-perp")
        bars = loaded(market, symbol)
        at = {key: int(label[key].timestamp()) * 10**9 for key in ("start", "peak", "end")}
        start, peak, end = (int(np.searchsorted(bars["open_ns"], at[key])) for key in ("start", "peak", "end"))
        assert 3 <= peak - start <= 16
        assert 0.08 <= abs(label["magnitude"]) <= 0.40
        move = bars["close"][peak - 1] / bars["close"][start - 1] - 1
        assert move == pytest.approx(label["magnitude"], abs=0.01), label
        before = bars["volume"][start - 60 : start].mean()
        assert bars["volume"][start:peak].mean() > 4 * before, label
        left = bars["close"][end - 1] / bars["close"][start - 1] - 1
        given_back.append(1 - left / label["magnitude"])
    assert 0.2 < float(np.median(given_back)) < 0.9


def test_thin_books_have_minutes_without_a_trade_and_the_majors_do_not(market):
    for coin in COINS:
        bars = loaded(market, coin.symbol)
        silent = bars["volume"] == 0
        assert silent.any() == bool(coin.quiet_share)
        assert (bars["high"][silent] == bars["low"][silent]).all()


def test_prices_are_whole_increments(market):
    for coin in COINS:
        bars = loaded(market, coin.symbol)
        for name in ("open", "high", "low", "close"):
            steps = bars[name] * 10**coin.digits
            np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)


def test_funding_comes_every_eight_hours_and_follows_the_premium(market):
    catalog = Catalog(market)
    rates = []
    for coin in COINS:
        funding = catalog.funding("sample", coin.symbol)
        assert funding is not None
        assert (np.diff(funding.ts_ns) == 8 * 60 * MINUTE_NS).all()
        assert funding.ts_ns[0] == START_NS + 8 * 60 * MINUTE_NS
        rates.append(funding.rate)
    together = np.concatenate(rates)
    assert len(np.unique(together)) > 20
    assert np.median(together) == pytest.approx(0.0001)
    assert together.min() < 0 < together.max()


def test_the_rules_of_the_sample_are_read_and_leave_out_nothing(market):
    catalog = Catalog(market)
    for instrument in catalog.instruments():
        rules = catalog.rules(instrument)
        assert rules.defaults_used == ()
        assert rules.price_increment > 0
        assert rules.margin_tiers[0].leverage_max > rules.margin_tiers[1].leverage_max


def test_it_is_small_enough_to_make_on_the_way(market):
    assert sum(path.stat().st_size for path in market.rglob("*") if path.is_file()) < 4_000_000


@pytest.mark.parametrize(
    ("seed", "days", "message"), [(1, 0, "--days: 0 is not"), (1, 401, "401 is not"), (-1, 1, "--seed: -1")]
)
def test_bounds_are_kept(tmp_path, seed, days, message):
    with pytest.raises(InputError, match=message):
        write_sample(tmp_path, seed=seed, days=days)


def test_nothing_that_is_there_is_written_over_unless_asked(tmp_path):
    (tmp_path / "instruments.yaml").write_text("# mine\n")
    with pytest.raises(InputError, match="already exists; name another folder with --out, or overwrite it"):
        write_sample(tmp_path, days=1)
    assert (tmp_path / "instruments.yaml").read_text() == "# mine\n"
    write_sample(tmp_path, days=1, replace=True)
