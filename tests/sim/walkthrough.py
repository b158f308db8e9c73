"""The walk-through of the peak-fade short as a tape of trades and quotes, the same rows every time.

All times are in seconds from T0, by ``ts_init_ns``; T0 is when S1 first holds.

| from | to | trades | quotes |
|---|---|---|---|
| -3930 | -30 | 1.00000, 10 a second | bid 0.0008 below, 1000 at both sides |
| -30 | -10 | up to 1.08100 in even steps, 8 each quarter of a second | follow |
| -10 | 0 | 1.08100, 8 each quarter | follow |
| 0 | | one print of 480 at 1.09000, the peak: the surge comes to 4.77, and S1 holds | ask 1.09000 |
| 0.25 | 7.75 | 1.08400, 8 each quarter | follow |
| 8 | 44.75 | 1.08680, 8 each quarter | bid 1.08600; from 28.5 on 620 bid and 1280 asked |
| 35 | 38 | | the imbalance over 15 s is -15.05 at 35 (-14.47 a quarter before) and -22 at 38 |
| 38 | | velocity 0.01 %/s: Z1 holds; a sell at the best bid is one at 1.08600 | |
| 45 | 105 | down to 1.02000 in even steps, sold into the bid, 200 each quarter | ask 0.0008 above |
| 105 | 1005 | 1.02000, 10 a second | 1000 at both sides |

The pump is 0.09 high, so the ladder's 30, 50 and 70 % stand at 1.063, 1.045 and 1.027, all of them traded through on
the way down; the stop, 6 % above 1.086, at 1.15116 is never reached.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Columns = dict[str, npt.NDArray[Any]]

START_NS = 1_704_110_400_000_000_000  # 2024-01-01T12:00:00Z, the first row
T0_S = 3_930
T0_NS = START_NS + T0_S * 1_000_000_000
Z1_S, END_S = 38.0, 1_005
QUIET_PRICE, PEAK_PRICE, ENTRY_PRICE, LAST_PRICE = 1.0, 1.09, 1.086, 1.02
PRICE_INCREMENT, LOT = 0.00001, 0.001
PUMPED = "lab:PEAKUSDT-perp"
CALM = ("lab:CALMUSDT-perp", "lab:STILLUSDT-perp")
_SPREAD = 0.0008


def _rows() -> list[tuple[float, float, float, bool]]:
    """Seconds from T0, price, quantity and whether it was sold into the bid, one row a trade."""
    quarters = np.arange(1, 81) / 4.0
    rows = [(float(second), QUIET_PRICE, 10.0, False) for second in range(-T0_S, -29)]
    rows += [(float(q) - 30.0, QUIET_PRICE + 0.081 * float(q) / 20.0, 8.0, False) for q in quarters]
    rows += [(float(q) - 10.0, 1.081, 8.0, False) for q in quarters[:39]]
    rows.append((0.0, PEAK_PRICE, 480.0, False))
    rows += [(float(q), 1.084, 8.0, False) for q in quarters[:31]]
    rows += [(float(q), 1.0868, 8.0, False) for q in np.arange(32, 180) / 4.0]
    rows += [(45.0 + float(q), 1.0868 - 0.0668 * float(q) / 60.0, 200.0, True) for q in np.arange(241) / 4.0]
    rows += [(float(second), LAST_PRICE, 10.0, True) for second in range(106, END_S + 1)]
    return rows


def tape(delay_ns: int = 0) -> tuple[Columns, Columns]:
    """Trades and quotes of the pumped coin, columns as in a catalog; the venue's times are ``delay_ns`` earlier."""
    rows = _rows()
    seconds, prices, quantities = (np.array([row[column] for row in rows]) for column in (0, 1, 2))
    sold = np.array([row[3] for row in rows])
    return _columns(seconds, np.rint(prices * 1e5) / 1e5, quantities, sold, delay_ns)


def calm_tape(delay_ns: int = 0) -> tuple[Columns, Columns]:
    """A coin of the same time at which nothing happens: 10 a second at 1.00000."""
    seconds = np.arange(-T0_S, END_S + 1).astype(np.float64)
    one = np.ones(len(seconds))
    return _columns(seconds, one, 10.0 * one, np.zeros(len(seconds), bool), delay_ns)


def _columns(
    seconds: npt.NDArray[np.float64],
    prices: npt.NDArray[np.float64],
    quantities: npt.NDArray[np.float64],
    sold: npt.NDArray[np.bool_],
    delay_ns: int,
) -> tuple[Columns, Columns]:
    times_ns = T0_NS + np.rint(seconds * 4).astype(np.int64) * 250_000_000
    trades = {
        "ts_event_ns": times_ns - delay_ns,
        "ts_init_ns": times_ns,
        "trade_id": np.arange(1, len(times_ns) + 1),
        "price": prices,
        "qty": quantities,
        "buyer_is_maker": sold,
    }
    heavy = (seconds >= 28.5) & (seconds < 105.0) & (prices > QUIET_PRICE)
    bid = np.rint(np.where(sold, prices, prices - _SPREAD) * 1e5) / 1e5
    quotes = {
        "ts_event_ns": times_ns - delay_ns,
        "ts_init_ns": times_ns.copy(),
        "bid": bid,
        "bid_qty": np.where(heavy, 620.0, 1000.0),
        "ask": np.rint((bid + _SPREAD) * 1e5) / 1e5,
        "ask_qty": np.where(heavy, 1280.0, 1000.0),
    }
    return trades, quotes


def write_catalog(root: Path, delay_ns: int = 0) -> Path:
    """A catalog of the pumped coin and two calm ones, with full rules and funding that settles outside the tape."""
    rules = []
    for instrument in (PUMPED, *CALM):
        venue, _, stem = instrument.partition(":")
        made = tape(delay_ns) if instrument == PUMPED else calm_tape(delay_ns)
        for kind, columns in zip(("trades", "quotes"), made, strict=True):
            _write(root / kind / venue / stem / "2024-01-01.parquet", columns)
        hours = START_NS + np.array([-4, 4], np.int64) * 3_600_000_000_000
        stamps = pa.array(hours // 1_000).view(pa.timestamp("us", "UTC"))
        _write(root / "funding" / venue / f"{stem.removesuffix('-perp')}.parquet", {"ts": stamps, "rate": [0.0, 0.0]})
        rules.append(
            f"{instrument}: {{price_increment: 0.00001, lot_size: 0.001, contract_size: 1, settle_asset: USDT, "
            "taker_bps: 5, maker_bps: 2, min_notional: 5, calendar: always, "
            "margin_tiers: [{maintenance_pct: 1, leverage_max: 20}]}\n"
        )
    (root / "instruments.yaml").write_text("".join(rules), encoding="utf-8")
    return root


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)
