"""The synthetic catalog for carry strategies: the same numbers for a seed, without a fault, never among other data."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from tightloop.adapters.data._shared import Verdict
from tightloop.adapters.data.carry_sample import START_NS, names_of, write_carry_sample
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import calendars, check, select
from tightloop.adapters.data.sample import write_sample
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module", params=[1, 2])
def market(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("carry")
    write_carry_sample(root, seed=request.param)
    return root


def column(root, path, name):
    return pq.read_table(root / f"{path}.parquet")[name].to_numpy()


def digest(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.parquet")
    }


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_carry_sample(tmp_path / name, seed=seed, days=14)
    first, second, other = (digest(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    assert [name for name in first if first[name] == other[name]] == ["rewards/etherfi-ethfi-topups.parquet"]


def test_the_numbers_of_a_seed_never_change(tmp_path):
    write_carry_sample(tmp_path, seed=1, days=14)
    own = hashlib.sha256()
    for path, name in (
        ("bars/bybit/ETHUSDT-perp-1h", "low"), ("funding/binance/BTCUSDT", "rate"), ("gas/ethereum", "gwei"),
        ("lending/aave_v3/WETH", "borrow_index"), ("staking/weETH-market", "market_rate_median_24h"),
        ("rewards/etherfi-eigen-weekly", "eigen_earned"), ("benchmark/ethena-susde", "apr"),
    ):  # fmt: skip
        own.update(np.ascontiguousarray(column(tmp_path, path, name)).tobytes())
    assert own.hexdigest() == PINNED


PINNED = "e21a7ed28dd29d33a6f515435e96a66358c1b2956e31ac49bd14b402ad22e636"


def test_no_dataset_has_a_fault(market):
    reports = list(check(select(market), calendars(market)))
    assert {report.verdict for report in reports} == {Verdict.FIT}
    assert len(reports) == 26


def test_an_index_grows_by_the_rate_of_its_day(market):
    for asset in ("USDT", "WETH", "weETH", "wstETH"):
        for side in ("liquidity", "borrow"):
            index = column(market, f"lending/aave_v3/{asset}", f"{side}_index")
            rate = column(market, f"lending/aave_v3/{asset}", f"{side}_rate")
            np.testing.assert_allclose(index[1:] / index[:-1] - 1, rate[:-1] / 365, atol=3e-12)


def test_suppliers_get_what_borrowers_pay_less_the_share_of_the_pool(market):
    for asset, kept in (("USDT", 0.10), ("WETH", 0.15)):
        own = {name: column(market, f"lending/aave_v3/{asset}", name) for name in (
            "liquidity_rate", "borrow_rate", "total_supplied", "total_borrowed")}  # fmt: skip
        paid = own["borrow_rate"] * own["total_borrowed"] * (1 - kept)
        np.testing.assert_allclose(own["liquidity_rate"] * own["total_supplied"], paid, rtol=1e-8)
        assert (own["total_borrowed"] < own["total_supplied"]).all()


def test_a_bar_opens_where_the_one_before_it_closed_and_contains_its_prices(market):
    for name in ("binance:BTCUSDT-spot", "bybit:ETHUSDT-perp", "uniswap_v3:EIGENWETH-spot"):
        venue, _, stem = name.partition(":")
        bars = Catalog(market).bars(InstrumentId(venue, *stem.split("-")), "1h").bars
        assert (bars["open"][1:] == bars["close"][:-1]).all()
        assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
        assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()


def test_perpetuals_stay_near_their_spot_and_longs_mostly_pay(market):
    for venue in ("binance", "bybit"):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            spot, perp = (column(market, f"bars/{venue}/{symbol}-{own}-1h", "open") for own in ("spot", "perp"))
            assert np.abs(perp / spot - 1).max() < 0.004
            rate = column(market, f"funding/{venue}/{symbol}", "rate")
            assert (rate > 0).mean() > 0.5
            assert 0.02 < rate.mean() * 3 * 365 < 0.4


def test_a_staking_token_grows_and_trades_a_little_below_its_rate(market):
    for token in ("weETH", "wstETH"):
        rate = column(market, f"staking/{token}-rate", "rate_eth")
        sold = column(market, f"staking/{token}-market", "market_rate")
        assert (np.diff(rate) > 0).all()
        assert (sold <= rate).all()
        assert (sold > 0.995 * rate).all()
        assert 0.02 < (rate[-1] / rate[0]) ** (8_760 / (len(rate) - 1)) - 1 < 0.04


def test_the_median_of_the_market_knows_no_later_hour(market):
    sold = column(market, "staking/weETH-market", "market_rate")
    median = column(market, "staking/weETH-market", "market_rate_median_24h")
    assert median[0] == sold[0]
    for at in (30, 500, 1_000):
        assert median[at] == pytest.approx(np.median(sold[at - 23 : at + 1]), abs=1e-12)


def test_it_says_what_it_is_and_what_it_holds(market):
    text = (market / "README.md").read_text(encoding="utf-8")
    assert "no number here was ever paid" in text
    assert all(f"`{path.relative_to(market).with_suffix('').as_posix()}`" in text for path in market.rglob("*.parquet"))


def test_days_and_counts_are_those_that_were_asked_for(tmp_path):
    done = write_carry_sample(tmp_path, days=20)
    assert names_of(done) == {
        "bars": 10,
        "funding": 4,
        "lending": 4,
        "staking": 4,
        "rewards": 2,
        "gas": 1,
        "benchmark": 1,
    }
    assert len(column(tmp_path, "gas/ethereum", "gwei")) == 20 * 24
    last = column(tmp_path, "gas/ethereum", "ts")[-1].astype("datetime64[ns]").astype(int)
    assert last == START_NS + (20 * 24 - 1) * HOUR_NS


def test_it_is_never_written_among_other_data_not_even_with_replace(tmp_path):
    write_sample(tmp_path / "bars", days=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    for folder in ("bars", "other"):
        before = digest(tmp_path / folder)
        for replace in (False, True):
            with pytest.raises(InputError, match=r"holds other data.*name an empty folder"):
                write_carry_sample(tmp_path / folder, replace=replace)
        assert digest(tmp_path / folder) == before


def test_an_earlier_one_is_written_over_only_with_replace(tmp_path):
    write_carry_sample(tmp_path, seed=1, days=14)
    first = digest(tmp_path)
    with pytest.raises(InputError, match=r"already exists.*--replace"):
        write_carry_sample(tmp_path, seed=2, days=14)
    assert digest(tmp_path) == first
    write_carry_sample(tmp_path, seed=2, days=14, replace=True)
    assert digest(tmp_path) != first


@pytest.mark.parametrize(("how", "told"), [
    ({"days": 13}, "13 is not between 14 and 720"), ({"days": 721}, "721 is not between 14 and 720"),
    ({"seed": -1}, "-1 is not between 0"),
])  # fmt: skip
def test_days_and_seeds_out_of_bounds_are_refused(tmp_path, how, told):
    with pytest.raises(InputError, match=told):
        write_carry_sample(tmp_path / "new", **how)
    assert not (tmp_path / "new").exists()
