"""A synthetic catalog for carry strategies: prices, funding, lending, staking, gas. Equal seeds, equal numbers.

It uses the names of real venues, because the packaged strategies do. It is therefore written only into a folder of
its own, never among other data, and its README states that no number in it is real.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import Stream, check_room, exp_6, stamps, to_digits, wave, write_table
from tightloop.core.domain.types import Floats
from tightloop.model.errors import InputError
from tightloop.model.times import DAY_NS, HOUR_NS, iso

DAYS_DEFAULT, DAYS_MIN, DAYS_MAX = 90, 14, 720
START_NS = 1_717_200_000_000_000_000  # 2024-06-01
HEADING = "# Sample catalog for carry strategies"
_LOG_SCALE = 1e9  # log prices are integers in units of 1e-9
_COINS = (("BTCUSDT", 60_000.0, 2, 0.004), ("ETHUSDT", 3_000.0, 2, 0.006))
"""Symbol, first price, decimals, hourly volatility."""
_TOKENS = (("EIGENWETH", 0.0012, 10, 0.008), ("ETHFIWETH", 0.0006, 10, 0.008))
_POOLS = (
    ("USDT", 2_000_000_000.0, 0.80, 0.055, 1.05, 0.10), ("WETH", 1_500_000.0, 0.82, 0.025, 1.03, 0.15),
    ("weETH", 900_000.0, 0.02, 0.010, 1.00, 0.45), ("wstETH", 1_000_000.0, 0.10, 0.010, 1.00, 0.35),
)  # fmt: skip
"""Asset, supply, mean utilisation, borrow rate at 90 % utilisation, first index, reserve factor."""
_LSTS = (("weETH", 1.04, 0.028), ("wstETH", 1.17, 0.030))
"""Token, first rate in ETH, yearly growth."""


@dataclass(frozen=True, slots=True)
class CarrySample:
    """What was written: folder, days, and paths of the datasets."""

    root: Path
    days: int
    datasets: tuple[str, ...]


def write_carry_sample(root: Path, seed: int = 1, days: int = DAYS_DEFAULT, replace: bool = False) -> CarrySample:
    """Write the catalog into ``root``; ``replace`` overwrites an earlier sample, never anything else.

    Raises InputError if days or seed are out of bounds, or the folder holds other files.
    """
    if not DAYS_MIN <= days <= DAYS_MAX:
        message = f"{days} is not between {DAYS_MIN} and {DAYS_MAX}"
        raise InputError.one("--days", None, "", message, f"leave it out for {DAYS_DEFAULT}")
    if not 0 <= seed < 2**63:
        raise InputError.one("--seed", None, "", f"{seed} is not between 0 and 2**63", "use a whole number like 1")
    _check_ours(root, replace)
    datasets: dict[str, dict[str, pa.Array]] = {}
    _add_prices(datasets, seed, days * 24)
    _add_pools(datasets, seed, days)
    _add_staking(datasets, seed, days)
    _add_rest(datasets, seed, days)
    (root / "README.md").write_text(_readme(seed, days, tuple(datasets)), encoding="utf-8", newline="\n")
    for path, columns in datasets.items():
        write_table(root / f"{path}.parquet", columns, synthetic=True)
    return CarrySample(root, days, tuple(datasets))


def _check_ours(root: Path, replace: bool) -> None:
    """Raise InputError if ``root`` holds anything but such a sample: real and synthetic data would be mixed."""
    readme = root / "README.md"
    is_ours = readme.is_file() and readme.read_bytes().startswith(HEADING.encode())
    if root.is_dir() and any(root.iterdir()) and not is_ours:
        message = "holds other data, and this sample uses the names of real venues"
        raise InputError.one(root, None, "--out", message, "name an empty folder with --out, such as .data/carry")
    check_room(root, replace)


def _grown(first: float, steps: Floats) -> Floats:
    """Return ``first`` compounded over ``steps`` (fractions), shape (len(steps) + 1,), twelve decimals."""
    grown = np.asarray(np.cumprod(np.concatenate(([1.0], 1.0 + steps))), np.float64)
    return to_digits(first * grown, 12)


def _path(stream: Stream, price: float, volatility: float, hours: int) -> Floats:
    """Return prices at whole hours, shape (hours + 1,), not rounded."""
    liveliness = exp_6(wave(stream, hours, 0.98, 0.5))
    steps = np.rint(stream.normal(hours) * liveliness * volatility * _LOG_SCALE).astype(np.int64)
    return np.asarray(price * np.exp(np.concatenate(([0], np.cumsum(steps))) / _LOG_SCALE))


def _bars(stream: Stream, path: Floats, digits: int, volatility: float) -> dict[str, pa.Array]:
    """Return hourly bars along a price path: each closes where the next one opens."""
    hours = len(path) - 1
    open_, close = to_digits(path[:-1], digits), to_digits(path[1:], digits)
    reach = 1.0 + stream.uniform(hours) * volatility
    high = to_digits(np.maximum(open_, close) * reach, digits)
    low = to_digits(np.minimum(open_, close) / reach, digits)
    columns = {"open": open_, "high": np.maximum(high, np.maximum(open_, close)),
               "low": np.minimum(low, np.minimum(open_, close)), "close": close,
               "volume": to_digits(1_000.0 * exp_6(stream.normal(hours) * 0.6), 3)}  # fmt: skip
    times = START_NS + np.arange(hours) * HOUR_NS
    return {"ts": stamps(times), **{name: pa.array(column) for name, column in columns.items()}}


def _add_prices(datasets: dict[str, dict[str, pa.Array]], seed: int, hours: int) -> None:
    """Add spot and perp bars on two exchanges, funding that follows the premium, and reward tokens in ETH."""
    settled = START_NS + np.arange(0, hours, 8) * HOUR_NS
    for index, (symbol, price, digits, volatility) in enumerate(_COINS):
        path = _path(Stream(seed, index, 1), price, volatility, hours)
        for venue_index, venue in enumerate(("binance", "bybit")):
            stream = Stream(seed, index, 2, venue_index)
            spot = path * (1.0 + 0.00005 * stream.normal(hours + 1))
            premium = 0.0001 + wave(stream, hours + 1, 0.97, 0.0004)
            datasets[f"bars/{venue}/{symbol}-spot-1h"] = _bars(stream, spot, digits, volatility)
            datasets[f"bars/{venue}/{symbol}-perp-1h"] = _bars(stream, spot * (1.0 + premium), digits, volatility)
            before = np.concatenate((np.full(8, premium[0]), premium))[: len(settled) * 8].reshape(-1, 8)
            mean = before.mean(axis=1)
            rate = np.clip(mean + np.clip(0.0001 - mean, -0.0005, 0.0005), -0.003, 0.003)
            columns = {"ts": stamps(settled), "rate": pa.array(to_digits(rate, 8))}
            datasets[f"funding/{venue}/{symbol}"] = columns
    for index, (symbol, price, digits, volatility) in enumerate(_TOKENS):
        stream = Stream(seed, index, 3)
        bars = _bars(stream, _path(stream, price, volatility, hours), digits, volatility)
        datasets[f"bars/uniswap_v3/{symbol}-spot-1h"] = bars


def _add_pools(datasets: dict[str, dict[str, pa.Array]], seed: int, days: int) -> None:
    """Add a daily row per asset of the pool; interest follows utilisation, suppliers get what borrowers pay."""
    for pool_index, (asset, supply, utilisation, at_90, index, kept) in enumerate(_POOLS):
        stream = Stream(seed, pool_index, 4)
        used = np.clip(utilisation * (1.0 + wave(stream, days, 0.9, 0.06)), 0.001, 0.97)
        borrow = at_90 * np.minimum(used, 0.9) / 0.9 + 0.4 * np.maximum(used - 0.9, 0.0)
        supplied = supply * exp_6(wave(stream, days, 0.97, 0.08))
        paid = borrow * used * (1.0 - kept)
        columns = {
            "liquidity_index": _grown(index, paid[:-1] / 365.0), "liquidity_rate": to_digits(paid, 12),
            "borrow_index": _grown(index * 1.02, borrow[:-1] / 365.0), "borrow_rate": to_digits(borrow, 12),
            "total_supplied": to_digits(supplied, 4), "total_borrowed": to_digits(supplied * used, 4),
        }  # fmt: skip
        times = START_NS + np.arange(days) * DAY_NS
        datasets[f"lending/aave_v3/{asset}"] = {
            "ts": stamps(times),
            **{name: pa.array(column) for name, column in columns.items()},
        }


def _add_staking(datasets: dict[str, dict[str, pa.Array]], seed: int, days: int) -> None:
    """Add the value of staking tokens in ETH: the protocol's rate, which only grows, and a market rate below it."""
    hours = days * 24
    times = stamps(START_NS + np.arange(hours) * HOUR_NS)
    for index, (token, first, growth) in enumerate(_LSTS):
        stream = Stream(seed, index, 5)
        rate = _grown(first, np.full(hours - 1, growth / 8_760.0) * (0.8 + 0.4 * stream.uniform(hours - 1)))
        market = to_digits(rate * (1.0 - np.maximum(0.0007 + wave(stream, hours, 0.95, 0.0003), 0.0)), 12)
        padded = np.concatenate((np.full(23, market[0]), market))
        median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 24), axis=1)
        datasets[f"staking/{token}-rate"] = {"ts": times, "rate_eth": pa.array(rate)}
        datasets[f"staking/{token}-market"] = {
            "ts": times, "protocol_rate": pa.array(rate), "market_rate": pa.array(market),
            "market_rate_median_24h": pa.array(to_digits(median, 12)),
        }  # fmt: skip


def _add_rest(datasets: dict[str, dict[str, pa.Array]], seed: int, days: int) -> None:
    """Add weekly rewards, hourly gas, and the yield of a benchmark dollar token."""
    stream = Stream(seed, 6)
    day = (START_NS + np.arange(days) * DAY_NS).astype("datetime64[ns]").astype("datetime64[D]").astype(str)
    first = np.arange(0, days - 6, 7)
    earned = np.rint(360_000 * exp_6(stream.normal(len(first)) * 0.05)).astype(np.int64)
    staked, loose = 1_500_000, 500_000
    datasets["rewards/etherfi-eigen-weekly"] = {
        "staking_period_start": pa.array(day[first]), "staking_period_end": pa.array(day[first + 6]),
        "eigen_earned": pa.array(earned), "eth_restaked": pa.array(np.full(len(first), staked)),
        "eth_not_restaked": pa.array(np.full(len(first), loose)),
        "eigen_per_eeth_weekly": pa.array(to_digits(earned / (staked + loose), 6)),
    }  # fmt: skip
    topped = first[:-1:4]
    datasets["rewards/etherfi-ethfi-topups"] = {
        "top_up_date": pa.array(day[topped + 7]), "staking_period_start": pa.array(day[topped]),
        "staking_period_end": pa.array(day[topped + 6]), "ethfi_amount": pa.array(np.full(len(topped), 300_000)),
        "ethfi_per_eeth_distributed": pa.array(np.full(len(topped), 0.15)),
    }  # fmt: skip
    hours = days * 24
    gwei = to_digits(8.0 * exp_6(wave(stream, hours, 0.97, 0.5)), 2)
    datasets["gas/ethereum"] = {"ts": stamps(START_NS + np.arange(hours) * HOUR_NS), "gwei": pa.array(gwei)}
    apr = to_digits(np.maximum(0.09 + wave(stream, days, 0.9, 0.03), 0.01), 6)
    datasets["benchmark/ethena-susde"] = {"ts": stamps(START_NS + np.arange(days) * DAY_NS), "apr": pa.array(apr)}


def _readme(seed: int, days: int, datasets: tuple[str, ...]) -> str:
    listed = "\n".join(f"- `{path}`" for path in datasets)
    return f"""{HEADING}

Synthetic: **no number here was ever paid, quoted or published**, although the folders bear the names of real venues,
protocols and tokens, because the strategies that are shipped name them. Made by
`tightloop data sample --carry --seed {seed} --days {days}`; the same command makes the same numbers. {days} days from
{iso(START_NS)}: hourly bars, rates and gas, funding every eight hours, pools and benchmark once a day, rewards once a
week.

{listed}
"""


def names_of(sample: CarrySample) -> Mapping[str, int]:
    """Return the number of datasets of each kind."""
    kinds = [path.split("/")[0] for path in sample.datasets]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
