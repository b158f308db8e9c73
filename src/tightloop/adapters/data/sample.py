"""A synthetic market of one-minute bars; equal seeds give equal bytes.

One factor drives all coins; volatility clusters and follows the hour of the day. Small caps have thin volume, minutes
without a trade, pumps and dumps. A few stretches of bars are missing on purpose.

Reproducible on every machine: random numbers are Philox integers, and each result of exp is rounded to an integer at
once, so that no price depends on the last bit of a float.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import (
    RULES_FILE,
    Stream,
    check_room,
    exp_6,
    stamps,
    to_digits,
    wave,
    write_table,
)
from tightloop.adapters.data._shared.arrays import Flags
from tightloop.core.domain.types import Floats
from tightloop.model.errors import InputError
from tightloop.model.times import MINUTE_NS, iso

VENUE = "sample"
DAYS_DEFAULT, DAYS_MAX = 10, 400
START_NS = 1_704_067_200_000_000_000  # 2024-01-01
MINUTES_PER_DAY = 1_440
_FUNDING_MINUTES = 480
_LOG_SCALE = 1e9  # log prices are integers in units of 1e-9
_HOURS = (8, 7, 7, 7, 8, 8, 8, 9, 10, 10, 10, 10, 11, 14, 16, 17, 16, 14, 12, 11, 11, 10, 10, 9)
"""Activity by hour of day (UTC), in tenths: quiet Asian night, busy New York morning."""


@dataclass(frozen=True, slots=True)
class Coin:
    """Parameters of a coin.

    ``digits``: decimals of a price. ``volatility``, ``volume``: per minute; volume in base units. ``beta``: exposure to
    the common factor. ``quiet_share``: share of minutes without a trade.
    """

    symbol: str
    price: float
    digits: int
    lot: float
    beta: float
    volatility: float
    volume: float
    quiet_share: float
    events_per_day: float
    leverage_max: int


COINS = (
    Coin("BTCUSDT", 42_000.0, 1, 0.001, 1.0, 0.00025, 12.0, 0.0, 0.0, 100),
    Coin("ETHUSDT", 2_300.0, 2, 0.001, 1.15, 0.0004, 150.0, 0.0, 0.0, 75),
    Coin("PUMPAUSDT", 0.8125, 4, 0.1, 0.7, 0.0016, 9_000.0, 0.06, 0.5, 20),
    Coin("PUMPBUSDT", 0.03174, 5, 1.0, 0.6, 0.0019, 180_000.0, 0.12, 0.5, 20),
    Coin("PUMPCUSDT", 4.271, 3, 0.1, 0.8, 0.0015, 1_200.0, 0.08, 0.4, 25),
    Coin("PUMPDUSDT", 0.000_412_6, 7, 100.0, 0.5, 0.0022, 9_000_000.0, 0.18, 0.6, 10),
)


@dataclass(frozen=True, slots=True)
class Event:
    """A pump (``magnitude`` > 0) or dump; times in minutes from the start.

    ``magnitude``: fraction of the price. ``kept``: share of the move that remains at ``end``. ``surge``: extra volume,
    as a multiple of the normal one.
    """

    start: int
    peak: int
    end: int
    magnitude: float
    kept: float
    surge: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written: folder, instruments, and counts of bars, labelled events and missing minutes."""

    root: Path
    instruments: tuple[str, ...]
    bars: int
    events: int
    missing: int


def write_sample(
    root: Path,
    seed: int = 1,
    days: int = DAYS_DEFAULT,
    replace: bool = False,
    shown: Callable[[Sequence[Coin]], Iterable[Coin]] = iter,
) -> Sample:
    """Write the sample market into ``root``. ``shown`` may wrap the coins, to display progress.

    Raises InputError if days or seed are out of bounds, or files exist and ``replace`` is False.
    """
    if not 1 <= days <= DAYS_MAX:
        raise InputError.one("--days", None, "", f"{days} is not between 1 and {DAYS_MAX}", "use 10 for a small market")
    if not 0 <= seed < 2**63:
        raise InputError.one("--seed", None, "", f"{seed} is not between 0 and 2**63", "use a whole number like 1")
    check_room(root, replace, ("bars", VENUE))
    minutes = days * MINUTES_PER_DAY
    market, activity = _market(seed, minutes)
    labels: list[tuple[str, Event]] = []
    bars = missing = 0
    for index, coin in enumerate(shown(COINS)):
        events = _events(Stream(seed, index, 1), coin, days)
        columns, kept = _bars(Stream(seed, index, 2), coin, market, activity, events)
        times = START_NS + np.flatnonzero(kept) * MINUTE_NS
        path = root / "bars" / VENUE / f"{coin.symbol}-perp-1m.parquet"
        write_table(
            path,
            {"ts": stamps(times), **{name: pa.array(column[kept]) for name, column in columns.items()}},
            synthetic=True,
        )
        _write_funding(root, coin, columns["close"])
        labels += [(coin.symbol, event) for event in events]
        bars += int(kept.sum())
        missing += int((~kept).sum())
    _write_labels(root, labels)
    (root / RULES_FILE).write_text(_rules(), encoding="utf-8", newline="\n")
    (root / "README.md").write_text(_readme(seed, days, len(labels), missing), encoding="utf-8", newline="\n")
    names = tuple(f"{VENUE}:{coin.symbol}-perp" for coin in COINS)
    return Sample(root, names, bars, len(labels), missing)


def _season(minutes: int) -> Floats:
    """Return the activity of each minute, around 1, interpolated between the hours of the day."""
    hours = np.array((*_HOURS, _HOURS[0]), np.float64) / 10.0
    day = np.interp(np.arange(MINUTES_PER_DAY) / 60.0, np.arange(25), hours)
    return np.tile(day, minutes // MINUTES_PER_DAY)


def _market(seed: int, minutes: int) -> tuple[Floats, Floats]:
    """Return the log returns of the common factor, and the activity of each minute."""
    stream = Stream(seed, 1_000)
    liveliness = exp_6(wave(stream, minutes, 0.999, 0.35) + wave(stream, minutes, 0.97, 0.45)) * _season(minutes)
    returns = stream.normal(minutes) * liveliness * 0.00055
    jumps = stream.uniform(minutes) < 1.5 / MINUTES_PER_DAY
    return returns + jumps * stream.normal(minutes) * 0.006, liveliness


def _events(stream: Stream, coin: Coin, days: int) -> tuple[Event, ...]:
    """Return a coin's pumps and dumps, ascending, at least five hours apart, the first after six hours."""
    if not coin.events_per_day:
        return ()
    count = max(2, round(coin.events_per_day * days))
    slot = (days * MINUTES_PER_DAY - 600) // count
    events = []
    for index in range(count):
        if slot < 300 and index:
            break
        room = max(slot - 300, 1)
        start = 360 + index * slot + int(stream.between(0, room))
        rise, fall = int(stream.between(4, 16)), int(stream.between(25, 130))
        size = stream.between(0.08, 0.40)
        # Two pumps per dump. Dumps are capped at 25 %, or their rebound would count as a pump.
        dump = index % 3 == 2
        magnitude = -min(size, 0.25) if dump else size
        kept, surge = stream.between(0.2, 0.65), stream.between(25, 60)
        if start + rise + fall < days * MINUTES_PER_DAY - 10:
            events.append(Event(start, start + rise, start + rise + fall, magnitude, kept, surge))
    return tuple(events)


def _bars(
    stream: Stream, coin: Coin, market: Floats, activity: Floats, events: tuple[Event, ...]
) -> tuple[dict[str, Floats], Flags]:
    """Return a coin's columns for every minute, and flags of the minutes that the history contains."""
    minutes = len(market)
    swing = exp_6(wave(stream, minutes, 0.995, 0.40) + wave(stream, minutes, 0.95, 0.40))
    returns = coin.beta * market + stream.normal(minutes) * swing * activity * coin.volatility
    push, surge = _pushed(events, minutes)
    for event in events:  # other moves sum to zero between start and peak, so the event has its planned size
        returns[event.start : event.peak] -= returns[event.start : event.peak].mean()
    quiet = (stream.uniform(minutes) < coin.quiet_share / np.maximum(activity, 0.3)) & (surge == 1.0)
    # A minute without a trade does not move the price.
    steps = np.rint((returns + push) * _LOG_SCALE).astype(np.int64)
    level = np.cumsum(np.where(quiet, 0, steps))
    increment = 10.0**-coin.digits
    close = np.maximum(to_digits(coin.price * np.exp(level / _LOG_SCALE), coin.digits), increment)
    open_ = np.concatenate(([coin.price], close[:-1]))
    reach = np.abs(returns) * 0.4 + swing * activity * coin.volatility * 0.6
    high = np.maximum(open_, close) * (1.0 + stream.uniform(minutes) * reach)
    low = np.minimum(open_, close) * (1.0 - stream.uniform(minutes) * reach)
    lively = exp_6(stream.normal(minutes) * 0.7) * activity * (1.0 + np.abs(returns) / (coin.volatility * 2.0)) * surge
    volume = np.rint(coin.volume * lively * 0.6 / coin.lot) * coin.lot
    columns = {
        "open": open_,
        "high": np.where(quiet, close, np.maximum(to_digits(high, coin.digits), np.maximum(open_, close))),
        "low": np.where(
            quiet, close, np.maximum(np.minimum(to_digits(low, coin.digits), np.minimum(open_, close)), increment)
        ),
        "close": close,
        "volume": np.where(quiet, 0.0, np.maximum(to_digits(volume, 3), coin.lot)),
    }
    columns["open"] = np.where(quiet, close, columns["open"])
    return columns, _kept(stream, minutes, events)


def _pushed(events: tuple[Event, ...], minutes: int) -> tuple[Floats, Floats]:
    """Return each minute's extra log return from events, and the factor on its volume."""
    push, surge = np.zeros(minutes), np.ones(minutes)
    for event in events:
        top = float(np.rint(np.log1p(event.magnitude) * _LOG_SCALE)) / _LOG_SCALE
        rise, fall = event.peak - event.start, event.end - event.peak
        up = (np.arange(rise + 1) / rise) ** 1.5  # accelerating
        down = 1.0 - (1.0 - np.arange(fall + 1) / fall) ** 2  # decelerating
        push[event.start : event.peak] += top * np.diff(up)
        push[event.peak : event.end] -= top * (1.0 - event.kept) * np.diff(down)
        surge[event.start : event.peak] = 1.0 + event.surge * (0.6 + 0.4 * up[1:])
        surge[event.peak : event.end] = 1.0 + event.surge * 0.5 * (1.0 - down[1:])
    return push, surge


def _kept(stream: Stream, minutes: int, events: tuple[Event, ...]) -> Flags:
    """Return flags of the minutes in the history; two or three short stretches away from events are missing."""
    kept = np.ones(minutes, bool)
    for _gap in range(2 + int(stream.between(0, 2))):
        start, length = int(stream.between(100, minutes - 100)), int(stream.between(3, 40))
        if all(start + length < event.start - 60 or start > event.end + 60 for event in events):
            kept[start : start + length] = False
    return kept


def _write_funding(root: Path, coin: Coin, close: Floats) -> None:
    """Write a funding rate every eight hours: the mean premium, pulled towards 1 bp as venues do."""
    whole = close[: len(close) // _FUNDING_MINUTES * _FUNDING_MINUTES].reshape(-1, _FUNDING_MINUTES)
    # A perp trades at a premium after a rise: compare the last hour with the mean of the eight hours.
    premium = 0.1 * (whole[:, -60:].mean(axis=1) / whole.mean(axis=1) - 1.0)
    rate = np.clip(premium + np.clip(0.0001 - premium, -0.0005, 0.0005), -0.0075, 0.0075)
    times = START_NS + np.arange(1, len(rate) + 1) * _FUNDING_MINUTES * MINUTE_NS
    columns = {"ts": stamps(times), "rate": pa.array(to_digits(rate, 8))}
    write_table(root / "funding" / VENUE / f"{coin.symbol}.parquet", columns, synthetic=True)


def _write_labels(root: Path, labels: list[tuple[str, Event]]) -> None:
    def moments(minutes: list[int]) -> pa.Array:
        return stamps(START_NS + np.array(minutes, np.int64) * MINUTE_NS)

    columns = {
        "instrument": pa.array([f"{VENUE}:{symbol}-perp" for symbol, _event in labels], pa.string()),
        "kind": pa.array(["pump" if event.magnitude > 0 else "dump" for _symbol, event in labels], pa.string()),
        "start": moments([event.start for _symbol, event in labels]),
        "peak": moments([event.peak for _symbol, event in labels]),
        "end": moments([event.end for _symbol, event in labels]),
        "magnitude": pa.array([round(event.magnitude, 6) for _symbol, event in labels], pa.float64()),
    }
    write_table(root / "labels" / "pumps.parquet", columns, synthetic=True)


def _rules() -> str:
    lines = ["# Rules of the sample market: increments, fees and margin like those of a real venue.\n"]
    for coin in COINS:
        large = coin.leverage_max // 2
        small = (
            f"{{notional_max: 50_000, maintenance_pct: {50 / coin.leverage_max:g}, leverage_max: {coin.leverage_max}}}"
        )
        lines.append(
            f"{VENUE}:{coin.symbol}-perp:\n"
            f"  price_increment: {10.0**-coin.digits:.{coin.digits}f}\n"
            f"  lot_size: {coin.lot:g}\n"
            "  contract_size: 1\n  settle_asset: USDT\n  taker_bps: 5\n  maker_bps: 2\n  min_notional: 5\n"
            "  calendar: always\n  margin_tiers:\n"
            f"    - {small}\n"
            f"    - {{maintenance_pct: {50 / large:g}, leverage_max: {large}}}\n"
        )
    return "".join(lines)


def _readme(seed: int, days: int, events: int, missing: int) -> str:
    coins = ", ".join(coin.symbol for coin in COINS)
    return f"""# Sample market

Synthetic: no price here was ever paid. Made by `tightloop data sample --seed {seed} --days {days}`; the same command
makes the same bytes.

- `bars/{VENUE}`: one-minute bars of {coins}, {days} days from {iso(START_NS)}. A common factor, volatility in
  clusters, hours of the day, heavy tails; small caps have thin volume and minutes without a trade. {missing} minutes
  are missing on purpose.
- `funding/{VENUE}`: a rate every eight hours that follows the premium.
- `labels/pumps.parquet`: the {events} pumps and dumps: instrument, kind, start, peak, end, magnitude (a fraction of the
  price at the start, negative for a dump).
- `{RULES_FILE}`: increments, lots, fees and margin tiers.
"""
