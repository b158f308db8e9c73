"""The ticks that are measured on: 345 s of real prints and best quotes, time-shifted again and again, or stretched.

``pieces`` gives W3 its rows without a file in between; ``write_universe`` writes a day of many instruments, each a
stretch of the real ticks at another pace, as the Parquet files of a catalog.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tightloop.adapters.data.catalog import Catalog
from tightloop.core.domain.ticks import TICK
from tightloop.model.instruments import InstrumentId
from tightloop.runtime.feeds.ticks import PIECE_ROWS

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
NAMES = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp", "binance:BTCUSDT-spot")
KINDS = ("trades", "quotes")
PAUSE_NS = 10_000_000  # between the end of the ticks and their beginning anew
GROUP_ROWS = 2_048  # what is read at a time of a file
DAY_NS = 86_400_000_000_000
START_NS = 1_723_075_200_000_000_000  # 2024-08-08
RULES = """\
{instrument}: {{price_increment: {tick}, lot_size: {lot}, contract_size: 1, settle_asset: USDT, min_notional: 0,
  taker_bps: 5, maker_bps: 2, calendar: always}}
"""
STEPS = {"binance:BTCUSDT-perp": ("0.1", "0.001"), "binance:ETHUSDT-perp": ("0.01", "0.001"),
         "binance:BTCUSDT-spot": ("0.01", "0.00001")}  # fmt: skip

Rows = Any


def real() -> dict[tuple[str, str], Rows]:
    """Every real row by instrument and kind, as the catalog's reader gives them."""
    catalog = Catalog(REAL)
    return {
        (name, kind): np.concatenate(list(catalog.tick_reader(kind, InstrumentId.parse(name)).pieces(PIECE_ROWS)))
        for name in NAMES
        for kind in KINDS
    }


def digest(rows: dict[tuple[str, str], Rows]) -> str:
    own = hashlib.sha256()
    for key, found in rows.items():
        own.update(repr(key).encode() + found.tobytes())
    return own.hexdigest()[:16]


def span_ns(rows: dict[tuple[str, str], Rows]) -> int:
    """How far one round is from the next."""
    stamps = [found["ts_init_ns"] for found in rows.values()]
    return int(max(own.max() for own in stamps) - min(own.min() for own in stamps)) + PAUSE_NS


def pieces(rows: Rows, span: int, rounds: int) -> Iterator[Rows]:
    """The rows of one stream, ``rounds`` times, each round later by ``span``; trade ids go on without a gap."""
    shift = np.zeros(1, TICK)
    shift["ts_init_ns"] = shift["ts_event_ns"] = span
    shift["trade_id"] = int(rows["trade_id"].max() - rows["trade_id"].min()) + 1
    whole = TICK.itemsize // 8
    own = rows.copy().view(np.int64).reshape(-1, whole)
    stamps, by = own[:, :3], shift.view(np.int64)[:3]
    for k in range(rounds):
        if k:
            stamps += by
        for at in range(0, len(rows), PIECE_ROWS):
            yield own[at : at + PIECE_ROWS].reshape(-1).view(TICK)


def universe(count: int) -> list[str]:
    """Names of made-up instruments."""
    return [f"bench:C{k:03d}USDT-perp" for k in range(count)]


def _stretched(rows: Rows, count: int, at: int, begin_ns: int, end_ns: int) -> Rows:
    """``count`` rows from place ``at`` on, round and round, spread over a span as they are over their own."""
    own = rows[(at + np.arange(count)) % len(rows)].copy()
    gaps = np.diff(own["ts_init_ns"], prepend=own["ts_init_ns"][:1])
    gaps = np.where(gaps < 0, PAUSE_NS, gaps)
    passed = np.cumsum(gaps)
    is_told = own["ts_event_ns"] > 0  # some rows say when they were received, and not when they happened
    delay = np.where(is_told, np.maximum(own["ts_init_ns"] - own["ts_event_ns"], 1_000_000), 1_000_000)
    own["ts_init_ns"] = begin_ns + (passed * ((end_ns - begin_ns) / max(int(passed[-1]), 1))).astype(np.int64)
    own["ts_event_ns"] = own["ts_init_ns"] - delay
    own["trade_id"] = np.arange(1, count + 1)
    return own


def write_universe(root: Path, count: int, events: int) -> dict[str, Any]:
    """A catalog of a day of ``count`` instruments, ``events`` in all, a fifth of them prints; what to say about it."""
    found, rules, written = real(), "", 0
    for k, instrument in enumerate(universe(count)):
        source = NAMES[k % len(NAMES)]
        venue, symbol = instrument.split(":")
        each = events // count
        for kind, share in (("trades", each // 5), ("quotes", each - each // 5)):
            rows = found[source, kind]
            own = _stretched(rows, share, k * 997, START_NS + k * 1_000_003, START_NS + DAY_NS - 1)
            file = root / kind / venue / symbol / "2024-08-08.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_table(own, kind), file, compression="zstd", row_group_size=GROUP_ROWS)
            written += file.stat().st_size
        tick, lot = STEPS[source]
        rules += RULES.format(instrument=instrument, tick=tick, lot=lot)
    (root / "instruments.yaml").write_text(rules, encoding="utf-8")
    return {"instruments": count, "events": events // count * count, "bytes": written}


def _table(rows: Rows, kind: str) -> pa.Table:
    columns = {name: np.ascontiguousarray(rows[name]) for name in ("ts_event_ns", "ts_init_ns")}
    if kind == "trades":
        columns |= {name: np.ascontiguousarray(rows[name]) for name in ("trade_id", "price", "qty")}
        return pa.table(columns | {"buyer_is_maker": rows["is_buyer_maker"] != 0})
    names = {"bid": "price", "bid_qty": "qty", "ask": "ask", "ask_qty": "ask_qty"}
    return pa.table(columns | {name: np.ascontiguousarray(rows[own]) for name, own in names.items()})
