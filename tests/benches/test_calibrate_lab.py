"""The constants of the tick sample are what its script measures on the rows they come from."""

import dataclasses
import importlib
import os
from pathlib import Path

import numpy as np
import pytest

from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.tick_sample import constants, measure
from tightloop.core.domain.types import BAR
from tightloop.model.instruments import InstrumentId

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def calibrate(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    return importlib.import_module("calibrate_lab")


def test_a_planted_pump_is_measured_and_a_quiet_market_has_none(calibrate):
    rows = np.zeros(400, BAR)
    rows["open_ns"] = np.arange(400) * 300 * 10**9
    close = np.full(400, 100.0)
    close[300:304] = (103.0, 106.0, 110.0, 112.0)
    close[304:] = 106.0
    rows["open"], rows["close"] = np.concatenate(([100.0], close[:-1])), close
    rows["high"], rows["low"] = np.maximum(rows["open"], close), np.minimum(rows["open"], close)
    rows["volume"] = 10.0
    assert calibrate.moves(rows, 1) == []
    rows["volume"][299:304] = 50.0
    ((size, minutes, given_back, surge),) = {
        (round(move[0], 6), move[1], round(move[2], 6), move[3]) for move in calibrate.moves(rows, 1)[:1]
    }
    assert size == pytest.approx(12.0)
    assert 15 <= minutes <= 30
    assert given_back == pytest.approx(0.5)
    assert surge > 3
    assert calibrate.moves(rows, -1) == []


@pytest.mark.real_data
def test_the_constants_are_what_the_real_rows_give(calibrate):
    if not DATA.is_dir():
        assert not os.environ.get("CI"), f"{DATA} is missing, and CI must not skip what it holds"
        pytest.skip("the real rows are not beside the repository")
    catalog = Catalog(DATA)
    for stem, increment in calibrate.STREAMS:
        instrument = InstrumentId.parse(f"binance:{stem}")
        streams = [catalog.ticks(kind, instrument, accepted=calibrate.ACCEPTED) for kind in ("trades", "quotes")]
        found = measure(streams[0].columns, streams[1].columns, increment)
        assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(constants.REAL[stem]), rel=2e-3)
    pumps, dumps = [], []
    for instrument in catalog.instruments():
        if "5m" in catalog.timeframes(instrument) and instrument.symbol != "ETHBTC":
            bars = catalog.bars(instrument, "5m", accepted=frozenset({"holes", "flat", "outliers"})).bars
            pumps += calibrate.moves(bars, 1)
            dumps += calibrate.moves(bars, -1)
    assert (len(pumps), len(dumps)) == (36, 14)
    for moves, sizes in ((pumps, constants.PUMP_SIZES_PCT), (dumps, constants.DUMP_SIZES_PCT)):
        measured = np.quantile([abs(move[0]) for move in moves], constants.EVENT_SHARES)
        assert measured == pytest.approx(sizes, rel=0.02)
