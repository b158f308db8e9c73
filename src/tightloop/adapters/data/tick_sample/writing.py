"""Writes a tick sample as a catalog: trades, quotes, one-minute bars, funding, labels, rules and a README."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import RULES_FILE, Stream, check_room, stamps, write_table
from tightloop.adapters.data.tick_sample.books import make_book
from tightloop.adapters.data.tick_sample.measures import Figures, measure
from tightloop.adapters.data.tick_sample.readme import readme
from tightloop.adapters.data.tick_sample.scenarios import (
    QUIET_S,
    SCENARIOS,
    SECONDS,
    LabMarket,
    PlannedEvent,
    scenario_names,
)
from tightloop.adapters.data.tick_sample.tape import Columns, Course, TickCoin, make_tape
from tightloop.model.errors import InputError
from tightloop.model.labels import DUMP, MARKET_MOVE, NONE, PUMP, Label
from tightloop.model.times import HOUR_NS, MINUTE_NS, SECOND_NS

VENUE = "lab"
START_NS = 1_704_110_400_000_000_000  # 2024-01-01T12:00Z, between two settlements
DATE = "2024-01-01"
LABELS_FILE = "labels.parquet"
_SETTLEMENT_NS = 8 * HOUR_NS


@dataclass(frozen=True, slots=True)
class TickSample:
    """What was written: folder, instruments, row counts and labels."""

    root: Path
    instruments: tuple[str, ...]
    trades: int
    quotes: int
    labels: tuple[Label, ...]
    book_rows: int = 0


def write_tick_sample(
    root: Path,
    scenarios: Sequence[str],
    seed: int = 1,
    replace: bool = False,
    shown: Callable[[Sequence[LabMarket]], Iterable[LabMarket]] = iter,
    *,
    books: bool = False,
) -> TickSample:
    """Write the markets of some scenarios (or ``all``) into ``root``. ``shown`` may wrap them, to display progress.

    ``books``: write order books too; every other file is the same without them. Raises InputError for an unknown
    scenario, a seed out of bounds, or existing files without ``replace``.
    """
    unknown = [name for name in scenarios if name not in (*SCENARIOS, "all")]
    if unknown or not scenarios:
        message = f"{unknown[0] if unknown else 'nothing'} is not a scenario"
        raise InputError.one("--scenario", None, "", message, f"use one of {', '.join(SCENARIOS)}, all")
    if not 0 <= seed < 2**63:
        raise InputError.one("--seed", None, "", f"{seed} is not between 0 and 2**63", "use a whole number like 1")
    check_room(root, replace, *((kind, VENUE) for kind in ("trades", "quotes", "books", "bars", "funding")))
    names = scenario_names(scenarios)
    planned = [(name, market) for name in names for market in SCENARIOS[name](seed)]
    scenario_of = {market.coin.symbol: name for name, market in planned}
    labels: list[Label] = []
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    rows = [0, 0, 0]
    for market in shown([market for _name, market in planned]):
        name, symbol = scenario_of[market.coin.symbol], market.coin.symbol
        stream = Stream(seed, 3, *symbol.encode())
        trades, quotes = make_tape(stream, market.coin, market.course, START_NS, SECONDS)
        _write(root, market, trades, quotes)
        book_rows = _write_book(root, market, quotes, seed) if books else 0
        labels += [_label(name, symbol, event, trades) for event in market.events]
        figures[name].append(_quiet_figures(market, trades, quotes))
        rows = [rows[0] + len(trades["price"]), rows[1] + len(quotes["bid"]), rows[2] + book_rows]
    _write_labels(root, labels)
    coins = [market.coin for _name, market in planned]
    (root / RULES_FILE).write_text("".join(_rules(coin) for coin in coins), encoding="utf-8", newline="\n")
    (root / "README.md").write_text(readme(seed, figures, rows), encoding="utf-8", newline="\n")
    names_of = tuple(_instrument(coin.symbol) for coin in coins)
    return TickSample(root, names_of, rows[0], rows[1], tuple(labels), rows[2])


def _instrument(symbol: str) -> str:
    return f"{VENUE}:{symbol}-perp"


def _write(root: Path, market: LabMarket, trades: Columns, quotes: Columns) -> None:
    symbol = market.coin.symbol
    for kind, columns in (("trades", trades), ("quotes", quotes)):
        table = {name: pa.array(column) for name, column in columns.items()}
        write_table(root / kind / VENUE / f"{symbol}-perp" / f"{DATE}.parquet", table, synthetic=True)
    write_table(root / "bars" / VENUE / f"{symbol}-perp-1m.parquet", _bars(market, trades), synthetic=True)
    settlements = START_NS // _SETTLEMENT_NS * _SETTLEMENT_NS + np.arange(3, dtype=np.int64) * _SETTLEMENT_NS
    write_table(
        root / "funding" / VENUE / f"{symbol}.parquet",
        {"ts": stamps(settlements), "rate": pa.array([0.0001] * len(settlements))},
        synthetic=True,
    )


def _write_book(root: Path, market: LabMarket, quotes: Columns, seed: int) -> int:
    """Write a market's book, drawn from a random stream of its own; return the number of rows."""
    symbol = market.coin.symbol
    book = make_book(Stream(seed, 4, *symbol.encode()), market.coin, market.course, quotes, START_NS)
    table = {name: pa.array(column) for name, column in book.items()}
    table["side"] = table["side"].dictionary_encode()
    write_table(root / "books" / VENUE / f"{symbol}-perp" / f"{DATE}.parquet", table, synthetic=True)
    return len(book["price"])


def _bars(market: LabMarket, trades: Columns) -> dict[str, pa.Array]:
    """Return one-minute bars: the last price again in a minute without trades, no bar in a minute not recorded."""
    minutes = SECONDS // 60
    minute = (trades["ts_event_ns"] - START_NS) // MINUTE_NS
    edges = np.searchsorted(minute, np.arange(minutes + 1))
    columns: dict[str, list[float]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
    times: list[int] = []
    last = float(trades["price"][0])
    for number, (begin, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        inside = trades["price"][begin:end]
        if end == begin and any(
            since <= 60 * number and 60 * (number + 1) <= until for since, until in market.course.missing
        ):
            continue
        prices = inside if len(inside) else np.array([last])
        row = (prices[0], prices.max(), prices.min(), prices[-1], round(float(trades["qty"][begin:end].sum()), 6))
        for name, value in zip(columns, row, strict=True):
            columns[name].append(float(value))
        times.append(START_NS + number * MINUTE_NS)
        last = float(prices[-1])
    return {"ts": stamps(np.array(times)), **{name: pa.array(column) for name, column in columns.items()}}


def _label(scenario: str, symbol: str, event: PlannedEvent, trades: Columns) -> Label:
    """Return the label with sizes as they turned out on the tape, not as planned."""
    happened, price = trades["ts_event_ns"], trades["price"]
    edges = [START_NS + int(second * SECOND_NS) for second in (event.start_s, event.peak_s, event.end_s)]
    first, last = (int(np.searchsorted(happened, edge, side="right")) - 1 for edge in (edges[0], edges[2]))
    span = price[first : last + 1]
    if event.kind in (PUMP, DUMP, MARKET_MOVE):
        planned = int(np.searchsorted(happened, edges[1]))
        is_up = price[min(planned, last)] >= price[first]
        peak = first + int(np.argmax(span) if is_up else np.argmin(span))
    else:
        peak = int(np.searchsorted(happened, edges[1]))
    moved = float(price[peak] / price[first] - 1.0)
    given_back = float((price[peak] - price[last]) / (price[peak] - price[first])) if moved else 0.0
    peak_ns = edges[1] if event.kind == NONE and event.peak_s == event.start_s else int(happened[peak])
    return Label(
        _instrument(symbol), scenario, event.kind, edges[0], peak_ns, edges[2], round(100 * moved, 6),
        round(100 * given_back, 6) if event.kind != NONE else 0.0,
    )  # fmt: skip


def _quiet_figures(market: LabMarket, trades: Columns, quotes: Columns) -> Figures:
    """Return figures of the time before the first event."""
    until = START_NS + int((SECONDS if market.course == Course() else QUIET_S) * SECOND_NS)
    quiet = [
        {name: column[columns["ts_init_ns"] < until] for name, column in columns.items()}
        for columns in (trades, quotes)
    ]
    return measure(quiet[0], quiet[1], market.coin.increment)


def _write_labels(root: Path, labels: list[Label]) -> None:
    columns = {
        name: pa.array([getattr(label, name) for label in labels], kind)
        for name, kind in (
            ("instrument", pa.string()), ("scenario", pa.string()), ("kind", pa.string()), ("start_ns", pa.int64()),
            ("peak_ns", pa.int64()), ("end_ns", pa.int64()), ("magnitude_pct", pa.float64()),
            ("retracement_pct", pa.float64()), ("is_pump", pa.bool_()),
        )
    }  # fmt: skip
    write_table(root / LABELS_FILE, columns, synthetic=True)


def _rules(coin: TickCoin) -> str:
    large = coin.leverage_max // 2
    small = f"{{notional_max: 50_000, maintenance_pct: {50 / coin.leverage_max:g}, leverage_max: {coin.leverage_max}}}"
    return (
        f"{_instrument(coin.symbol)}:\n"
        f"  price_increment: {coin.increment:.{coin.digits}f}\n"
        f"  lot_size: {coin.lot:g}\n"
        "  contract_size: 1\n  settle_asset: USDT\n  taker_bps: 5\n  maker_bps: 2\n  min_notional: 5\n"
        "  calendar: always\n  margin_tiers:\n"
        f"    - {small}\n"
        f"    - {{maintenance_pct: {50 / large:g}, leverage_max: {large}}}\n"
    )
