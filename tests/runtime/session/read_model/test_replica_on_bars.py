"""A replica of a session on bars: values and nearest moments at each close, gaps, and which bars are of the past."""

import json
import math

import numpy as np
import pytest

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import Phase
from tightloop.core.limits import MINUTE_NS
from tightloop.ports.read_model import TABLES
from tightloop.runtime.session.driver.session import Repetition, Session
from tightloop.runtime.session.journal import Journal, JournalFollower
from tightloop.runtime.session.market.bars import closed_event
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.read_model.records import SessionRecords

STRATEGY = """
name: crosser
family: signal
direction: LONG
timeframe: 1m
instruments: ["binance:BTCUSDT-perp", "binance:ETHUSDT-perp"]
capital: 10_000
variants:
  price: {type: PRICE}
  mean: {type: SMA, period: 5}
  rsi: {type: RSI, period: 5}
sections:
  S1: {all: [{price: "> mean"}, {rsi: "> 99.5"}, {hold: [{rsi: "between 10 90"}, 600]}]}
  Z1: {immediate: true, order: {type: market}, size: {type: fixed, value: 500}, stop_loss: {type: percent, value: 1}}
  ZE1: {all: [{rsi: "< 30"}]}
costs: {taker_bps: 5, maker_bps: 2}
"""
BEGUN_NS = 1_704_110_400_000_000_000
WARM_UP, LIVE, GAP = 20, 60, 30


def plan_of(folder):
    path = folder / "crosser.yaml"
    path.write_text(STRATEGY, encoding="utf-8")
    strategies = runs_strategies.load_strategies([path])
    names = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp")
    return files.plan_of(strategies, {"rules": {name: {} for name in names}, "seed": 0})


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Rows of a session of 20 bars of the past and 60 that came, one of them missing; and the closes of BTC."""
    folder = tmp_path_factory.mktemp("bars")
    walk = np.random.default_rng(3).normal(0.0, 10.0, WARM_UP + LIVE)
    closes = (1_000.0 + np.cumsum(walk)).round(1)
    now = [0]
    journal = Journal.create(LocalDisk(folder), files.JOURNAL, "one", 1)
    session = Session(plan_of(folder), journal, Intake(lambda: now[0]), lambda: now[0])

    def closed(k, at, phase):
        bar = (closes[k - 1], max(closes[k - 1], closes[k]), min(closes[k - 1], closes[k]), closes[k], 2.5)
        event = closed_event(at, bar, BEGUN_NS + k * MINUTE_NS)
        event["phase"] = int(phase)
        return event

    past = np.concatenate([closed(k, at, Phase.RECORD) for k in range(WARM_UP) for at in (0, 1)])
    past["ts_init_ns"] = BEGUN_NS + np.arange(1, len(past) + 1)
    now[0] = BEGUN_NS + WARM_UP * MINUTE_NS
    session.take_warm_up(past)
    for k in range(WARM_UP, WARM_UP + LIVE):
        if k == GAP:
            continue
        now[0] = BEGUN_NS + (k + 1) * MINUTE_NS
        session.intake.put_event(closed(k, 0, Phase.NONE))
        session.intake.put_event(closed(k, 1, Phase.DECIDE_ON_CLOSE | Phase.RECORD))
        while session.take_batch():
            pass
    session.finish()
    journal.close()
    plan = plan_of(folder)
    records = SessionRecords(plan, "one", 5, None, Repetition(plan))
    tables = {table: {} for table in TABLES}
    for record, event in JournalFollower(LocalDisk(folder), files.JOURNAL).read():
        for row in records.take(record, event):
            tables[row.table][tuple(row.values[name] for name in TABLES[row.table].keys)] = dict(row.values)
    return {table: list(rows.values()) for table, rows in tables.items()}, closes


def test_bars_are_of_the_past_live_or_missing(told):
    tables, closes = told
    mine = {
        (row["open_ts"] - BEGUN_NS) // MINUTE_NS: row for row in tables["bars"]
        if row["instrument"] == "binance:BTCUSDT-perp"
    }  # fmt: skip
    assert list(mine) == list(range(WARM_UP + LIVE))
    assert {row["tf"] for row in mine.values()} == {"1m"}
    for k, row in mine.items():
        wanted = "gap" if k == GAP else "warmup" if k < WARM_UP else "live"
        assert row["source"] == wanted
        assert row["close"] == (None if k == GAP else closes[k])
        assert row["volume"] == (None if k == GAP else 2.5)


def test_values_stand_at_the_close_of_their_bar_also_of_the_past(told):
    tables, closes = told
    whole = np.delete(closes, GAP)
    for row in tables["value_rows"]:
        if row["instance"] != 0 or row["key"] != "mean":
            continue
        k = (row["ts"] - BEGUN_NS) // MINUTE_NS - 1
        at = k - (k > GAP)
        wanted = None if at < 4 else pytest.approx(float(whole[at - 4 : at + 1].mean()))
        assert row["value"] == wanted
    count = sum(1 for row in tables["value_rows"] if row["instance"] == 0 and row["key"] == "mean")
    assert count == WARM_UP + LIVE - 1


def rsi_of(tables):
    return [
        row["value"] for row in tables["value_rows"]
        if row["instance"] == 0 and row["key"] == "rsi" and row["ts"] > BEGUN_NS + WARM_UP * MINUTE_NS
    ]  # fmt: skip


def test_the_nearest_of_each_condition_is_the_least_distance_at_any_close(told):
    tables, _ = told
    rows = {row["place"]: row for row in tables["closest"] if row["instance"] == 0 and row["section"] == "S1"}
    rsi = rsi_of(tables)
    assert rows[1]["distance"] == pytest.approx(99.5 - max(rsi))
    assert rows[1]["value"] == max(rsi)
    assert rows[1]["threshold"] == 99.5
    assert rows[1]["others"] == 2
    assert rows[0]["distance"] == 0.0
    assert rows[2]["threshold_high"] == 90.0
    inside = [max(10.0 - value, value - 90.0, 0.0) for value in rsi]
    assert rows[2]["distance"] == min(inside)


def test_a_hold_has_how_long_it_was_held(told):
    tables, _ = told
    rows = {row["place"]: row for row in tables["closest"] if row["instance"] == 0 and row["section"] == "S1"}
    assert rows[3]["threshold"] == 600.0
    assert rows[3]["others"] == 3
    assert rows[3]["distance"] == max(600.0 - rows[3]["value"], 0.0)
    assert rows[3]["value"] > 0.0


def test_equity_stands_at_each_close_that_was_decided_on(told):
    tables, _ = told
    assert len(tables["equity"]) == LIVE - 1
    assert all(math.isfinite(row["equity"]) for row in tables["equity"])


def test_an_instance_says_what_it_looks_for(told):
    tables, _ = told
    plan = json.loads(tables["instances"][0]["plan"])
    first, second, third, hold = plan["sections"]["S1"]
    assert (first["variant"], first["threshold"], first["threshold_variant"]) == ("price", None, "mean")
    assert (second["operator"], second["threshold"], second["unit"]) == (">", 99.5, "")
    assert (third["threshold"], third["threshold_high"]) == (10.0, 90.0)
    assert (hold["variant"], hold["threshold"], hold["unit"]) == ("hold", 600.0, "s")
    assert [one["place"] for one in plan["sections"]["S1"]] == [0, 1, 2, 3]
    panes = {one["key"]: (one["pane"], one["unit"]) for one in plan["overlays"]}
    assert panes == {"price": ("price", "price"), "mean": ("price", "price"), "rsi": ("rsi", "")}
