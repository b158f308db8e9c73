"""What is put off until it is read changes nothing: every windowed type, read late, as it is when read at once."""

import pytest
from tests.parity import test_ticks
from tests.parity.test_ticks import run_on
from tests.sim import walkthrough

from tightloop.app.markets import opening as markets_opening
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core import indicators
from tightloop.core import log as core_log
from tightloop.core.domain.enums import RowKind
from tightloop.core.families import signal
from tightloop.core.replay import ticks as replay_ticks
from tightloop.core.state import state_hash
from tightloop.model.signal.plan import make_plan

LATE = """
name: late
family: signal
direction: LONG
instruments: [{instruments}]
feed: [trades, quotes]
capital: 100_000
variants:
  fast: {{type: TWPA, t1: 2}}
  slow: {{type: TWPA, t1: 10}}
{variants}
sections:
  S1: {{all: [{{fast: "> slow"}}]}}
  Z1:
    all: [{{fast: "> 0"}}]
    size: {{type: fixed, value: 100}}
  ZE1: {{any: [{conditions}, {{fast: "< slow"}}]}}
costs: {{taker_bps: 5, maker_bps: 2, funding: "off"}}
latency: {{clock: receive}}
account: {{max_position_pct: 100, max_symbol_pct: 100, daily_loss_pct: null, max_drawdown_pct: null}}
"""


def windowed():
    found = [name for name in indicators.types_found() if indicators.load(name).is_windowed]
    return [name for name in found if name != "BOOK_DEPTH"]  # the walk-through has no books


def text_of(names, instruments):
    variants = "\n".join(f"  v{k}: {{type: {name}}}" for k, name in enumerate(names))
    conditions = ", ".join(f'{{v{k}: "> 1e12"}}' for k in range(len(names)))
    quoted = ", ".join(f'"{name}"' for name in instruments)
    return LATE.format(instruments=quoted, variants=variants, conditions=conditions)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return walkthrough.write_catalog(tmp_path_factory.mktemp("ticks"), delay_ns=5_000_000)


@pytest.mark.parametrize("names", [windowed()[at : at + 25] for at in range(0, len(windowed()), 25)])
def test_a_run_ends_in_the_same_state_when_everything_is_computed_at_once(names, catalog):
    text = text_of(names, [walkthrough.PUMPED, *walkthrough.CALM])
    late, _ = run_on(text, catalog)
    mark_lazy = int(late.states[0]["on_demand"][0]["put_off"])
    assert mark_lazy.bit_count() > len(names) // 4, "there is something to put off"
    at_once, _ = run_on(text, catalog, observer=lambda plan: None)
    assert state_hash(late.states, late.arena) == state_hash(at_once.states, at_once.arena)
    assert late.arena[: int(late.states[0]["arena_floats"])].tobytes() == (
        at_once.arena[: int(at_once.states[0]["arena_floats"])].tobytes()
    )


def test_what_s1_reads_is_never_put_off(catalog):
    plan, _ = run_on(text_of(["SPREAD_PCT", "SUM_VOLUME"], [walkthrough.PUMPED]), catalog)
    state = plan.states[0]
    first = int(state["instruments"][0]["tick_first"])
    mark_lazy = [k for k in range(4) if int(state["on_demand"][0]["put_off"]) >> k & 1]
    names = [list(plan.strategies[0].variants)[k] for k in mark_lazy]
    assert first == 0
    assert names == ["v0", "v1"]


def test_values_that_were_put_off_are_those_of_the_last_tick(catalog):
    """Between two events of the instrument, at a time after the last of them."""
    seen = {}
    text = text_of(["SUM_VOLUME"], [walkthrough.PUMPED])
    place = 2  # the third variant

    def look(plan):
        seen[int(plan.states[0]["seq"])] = float(plan.arena[_cell(plan, place)])

    run_on(text, catalog, observer=look)
    plan, _ = run_on(text, catalog)
    assert plan.arena[_cell(plan, place)] == seen[int(plan.states[0]["seq"])]
    replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)
    assert plan.arena[_cell(plan, place)] == seen[int(plan.states[0]["seq"])], "nothing is left to compute"


def _cell(plan, place):
    state = plan.states[0]
    return int(state["value_slots"][int(state["instances"][0]["value_base"]) + place])


def test_a_family_that_asks_for_nothing_gets_everything_at_once(catalog):
    strategies = runs_strategies.load_strategies([text_of(["SUM_VOLUME"], [walkthrough.PUMPED])])
    rules = markets_opening.open_market(strategies, catalog).rules
    del signal.MEASURES_ON_DEMAND
    try:
        assert int(make_plan(strategies, rules).states[0]["on_demand"]["put_off"].max()) == 0
    finally:
        signal.MEASURES_ON_DEMAND = True
    assert int(make_plan(strategies, rules).states[0]["on_demand"]["put_off"].max()) > 0


@pytest.mark.parametrize("rows", range(40, 64))
def test_a_log_is_emptied_wherever_in_it_an_event_ends(rows, catalog, monkeypatch):
    """Room for one event is all that is kept free: a log that ended one row beyond that was full for ever."""
    calls, replay = [], replay_ticks.tick_replay

    def make_small(*arguments):
        plan = make_plan(*arguments)
        plan.rows_per_step = rows
        return plan

    def counted(*arguments):
        calls.append(1)
        assert len(calls) < 20_000, "a run comes to its end"
        return replay(*arguments)

    monkeypatch.setattr(test_ticks, "make_plan", make_small)
    monkeypatch.setattr(core_log, "ROWS", rows)
    monkeypatch.setattr(replay_ticks, "tick_replay", counted)
    text = test_ticks.busy("market", walkthrough.PUMPED)
    _, recorder = run_on(text, catalog)
    assert len(recorder.columns(RowKind.SUBMIT)["ts_ns"]) > 2
