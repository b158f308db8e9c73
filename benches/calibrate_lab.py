"""Measure the real market that the tick sample is modelled on, and print the figures its constants come from.

    PYTHONPATH=src python benches/calibrate_lab.py DIR

DIR is a catalog with trades and quotes of ``binance`` and five-minute bars of small coins there. The figures are the
constants of ``adapters/data/tick_sample/constants.py``, which names their sources; the product never reads DIR.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.tick_sample.measures import measure
from tightloop.core.domain.types import BAR
from tightloop.model.instruments import InstrumentId

STREAMS = (("BTCUSDT-perp", 0.1), ("ETHUSDT-perp", 0.01), ("BTCUSDT-spot", 0.01))
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
EVENT_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
ACCEPTED = frozenset({"future_stamps", "exact_duplicates", "crossed_quotes", "disorder", "conflicting_duplicates"})
BASE_BARS, AROUND_BARS = 144, 6
MOVE_MIN, SURGE_MIN = 0.08, 3.0


def show(name: str, values: object) -> None:
    """One line: a name and its figures."""
    print(f"{name:28} {np.array2string(np.asarray(values), precision=4, separator=', ', max_line_width=200)}")


def ticks(catalog: Catalog) -> None:
    """Arrivals, sizes, sides, best quotes and delays of each stream."""
    for stem, increment in STREAMS:
        instrument = InstrumentId.parse(f"binance:{stem}")
        trades, quotes = (catalog.ticks(kind, instrument, accepted=ACCEPTED) for kind in ("trades", "quotes"))
        assert trades is not None
        assert quotes is not None
        print(f"\n{stem}: {len(trades.columns['price'])} trades, {len(quotes.columns['bid'])} quotes")
        for name, value in dataclasses.asdict(measure(trades.columns, quotes.columns, increment)).items():
            print(f"  {name:26} {value:.4g}")
        happened, seller = trades.columns["ts_event_ns"], trades.columns["buyer_is_maker"]
        first = np.concatenate(([True], (np.diff(happened) != 0) | (np.diff(seller) != 0)))
        order = np.cumsum(first) - 1
        sizes = np.bincount(order, trades.columns["qty"])
        show("  order sizes over median", np.quantile(sizes, SHARES) / np.median(sizes))
        show("  prints of an order", np.quantile(np.bincount(order), SHARES))
        delay = (trades.columns["ts_init_ns"] - happened) / 1e6
        show("  delay over the least, ms", np.quantile(delay - delay.min(), SHARES))


def moves(bars: np.ndarray, sign: int) -> list[tuple[float, float, float, float]]:
    """Moves of 8 % and more within 30 minutes on three times the usual volume: size, minutes, share given back, surge.

    A peak is the extreme of the half hours around it; the start the opposite extreme of the half hour before it. What
    is given back is measured at the close half an hour after the peak.
    """
    top, bottom = (bars["high"], bars["low"]) if sign > 0 else (-bars["low"], -bars["high"])
    found = []
    for peak in range(BASE_BARS + AROUND_BARS, len(bars) - AROUND_BARS - 1):
        around = bars["open_ns"][peak + AROUND_BARS] - bars["open_ns"][peak - AROUND_BARS]
        if (
            top[peak] < top[peak - AROUND_BARS : peak + AROUND_BARS + 1].max()
            or around != 2 * AROUND_BARS * 300 * 10**9
        ):
            continue
        start = peak - AROUND_BARS + int(np.argmin(bottom[peak - AROUND_BARS : peak]))
        size = abs(top[peak] / bottom[start] - 1)
        usual = np.median(bars["volume"][start - BASE_BARS : start])
        surge = bars["volume"][start + 1 : peak + 1].mean() / usual
        after = sign * bars["close"][peak + AROUND_BARS]
        if size >= MOVE_MIN and surge >= SURGE_MIN:
            given_back = (top[peak] - after) / (top[peak] - bottom[start])
            found.append((100 * sign * size, 5.0 * (peak - start), given_back, surge))
    return found


def bars(catalog: Catalog) -> None:
    """Pumps and dumps of small coins, and how far their price goes in five quiet minutes."""
    found: dict[int, list[tuple[float, float, float, float]]] = {1: [], -1: []}
    print()
    for instrument in catalog.instruments():
        if "5m" not in catalog.timeframes(instrument) or instrument.symbol == "ETHBTC":
            continue
        own = catalog.bars(instrument, "5m", accepted=frozenset({"holes", "flat", "outliers"})).bars
        assert own.dtype == BAR
        usual = 1.4826 * float(np.median(np.abs(np.diff(np.log(own["close"])))))
        print(f"{instrument}: {len(own)} bars, {1e4 * usual:.1f} bps in five minutes")
        for sign in found:
            found[sign] += moves(own, sign)
    for sign, word in ((1, "pumps"), (-1, "dumps")):
        print(f"\n{len(found[sign])} {word}, quantiles {EVENT_SHARES}")
        columns = np.array(found[sign]).T
        for name, column in zip(("size, %", "minutes to the peak", "share given back", "surge"), columns, strict=True):
            show(f"  {name}", np.quantile(np.abs(column) if name == "size, %" else column, EVENT_SHARES))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    ticks(Catalog(Path(sys.argv[1])))
    bars(Catalog(Path(sys.argv[1])))
