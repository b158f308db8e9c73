"""Reaching a capacity of ``core/limits.py`` is an error that names it; nothing is ever cut off in silence."""

import inspect
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from tests.core import driven
from tests.parity import runs
from tests.sim.tick_venue import Script

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import TICK, Clock
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import status as replay_status
from tightloop.model.errors import CapacityError, InputError
from tightloop.model.instruments import MarginTier
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.feeds.ticks import TickFeed, TickSource
from tightloop.runtime.results.recorder import Recorder

MANY = [f"test:N{k}USDT-perp" for k in range(300)]
ALWAYS = runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]})


def plan_of(*texts, **rules_changed):
    strategies = runs.read(*texts)
    rules = {i: replace(own, **rules_changed) for i, own in runs.rules_for(strategies).items()}
    return make_plan(strategies, rules)


def changed(text, **keys):
    return json.dumps(json.loads(text) | keys, indent=1)


def with_variants(count, **keys):
    variants = {f"v{k}": {"type": "SMA", "period": k + 2} for k in range(count)}
    sections = {"S1": {"all": [{"v0": "> 0"}]}, "Z1": {"immediate": True, "size": {"type": "fixed", "value": 10}}}
    return changed(ALWAYS, variants=variants, sections=sections, **keys)


def with_conditions(count, kind="> 0", instruments=MANY[:1], sections=("s1",)):
    """Trees of so many conditions, as wide as an evaluation may be: 8 parts of 8 parts."""
    tree = {"any": [{"all": [{"any": [{"close": kind}] * (count // 64)}] * 8}] * 8}
    return runs.strategy("wide", instruments=instruments, **{key: {"all": [tree]} for key in sections})


PLANNED = {
    "STRATEGIES_MAX": lambda: plan_of(*(runs.strategy(f"s{k:02}") for k in range(limits.STRATEGIES_MAX + 1))),
    "INSTRUMENTS_MAX": lambda: plan_of(
        *(runs.strategy(f"own{k}", instruments=MANY[150 * k :][:150]) for k in range(2))
    ),
    "INSTANCES_MAX": lambda: plan_of(*(runs.strategy(f"own{k}", instruments=MANY[:200]) for k in range(3))),
    "INDICATORS_MAX": lambda: plan_of(with_variants(21, instruments=MANY[:200])),
    "VALUE_SLOTS_MAX": lambda: plan_of(
        runs.strategy(
            "numbers",
            instruments=MANY[:200],
            s1={"any": [{"all": [{"close": f"> {20 * k + n}"} for n in range(20)]} for k in range(5)]},
        )
    ),
    "NODES_MAX": lambda: plan_of(
        *(changed(with_conditions(832, sections=("s1", "o1", "ze1")), name=f"own{k}") for k in range(2))
    ),
    "MEMORY_NS_MAX": lambda: plan_of(with_conditions(128, "crosses_above slow", MANY[:170])),
    "AGGREGATES_MAX": lambda: plan_of(
        changed(
            with_variants(1, instruments=MANY[:200]),
            variants={"v0": {"type": "SMA", "period": 3, "timeframe": "5m"}}
            | {f"w{k}": {"type": "SMA", "period": 3, "timeframe": t} for k, t in enumerate(("15m", "1h", "4h"))},
        )
    ),
    "ARENA_FLOATS_MAX": lambda: plan_of(
        changed(
            with_variants(1, instruments=MANY[:250]),
            variants={f"v{k}": {"type": "DONCHIAN", "period": 10_000 - k} for k in range(16)},
        )
    ),
    "ROWS_PER_STEP_MAX": lambda: plan_of(with_conditions(832, "> 0", MANY[:200])),
    "TIERS_MAX": lambda: plan_of(
        ALWAYS,
        margin_tiers=tuple(MarginTier(1_000.0 * k, 0.1 * k, 10.0) for k in range(1, limits.TIERS_MAX + 2)),
    ),
}


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_beyond_a_capacity_is_refused_by_its_name(name):
    with pytest.raises((CapacityError, InputError), match=rf"^{name}: this run needs \d+, and the limit is \d+"):
        PLANNED[name]()


def refusal(*texts):
    with pytest.raises(InputError) as refused:
        plan_of(*texts)
    return str(refused.value)


def test_what_one_file_can_exceed_is_refused_with_its_line():
    deep = {"close": "> 0"}
    for _ in range(limits.RULE_DEPTH_MAX + 1):
        deep = {"all": [{"close": "> 0"}] * limits.RULE_DEPTH_MAX + [{"any": [deep, deep]}]}
        if len(json.dumps(deep)) > 20_000:
            break
    assert str(limits.RULE_DEPTH_MAX) in refusal(runs.strategy("deep", s1=deep))
    ladder = {"type": "ladder", "of": "percent", "steps": [[k, 5] for k in range(1, limits.LADDER_STEPS_MAX + 2)]}
    assert f"1 to {limits.LADDER_STEPS_MAX}" in refusal(runs.strategy("ladder", z1={"take_profit": ladder}))
    steps = [{"close": "> 0"}] * (limits.SEQ_STEPS_MAX + 1)
    assert str(limits.SEQ_STEPS_MAX) in refusal(runs.strategy("steps", s1={"seq": [steps, 60]}))
    assert str(limits.INSTRUMENTS_MAX) in refusal(runs.strategy("many", instruments=MANY))


# By driving ----------------------------------------------------------------------------------------------------------


def test_an_order_beyond_the_room_for_orders_is_an_error_that_names_it():
    own = driven.Driven(ALWAYS)
    own.state["order_high"] = limits.ORDERS_MAX
    own.state["orders"]["instance"] = 0
    with pytest.raises(AssertionError, match="ORDERS_MAX"):
        own.bar(0, 100.0, 101.0, 99.0, 100.0)


def test_a_venue_that_owes_more_events_than_it_can_is_an_error_that_names_it():
    own = driven.Driven(ALWAYS)
    venue = own.plan.venues[0]
    rows = own.bar(0, 100.0, 101.0, 99.0, 100.0)
    command = core_log.new_log(8)
    command[core_log.FIRST] = driven.of_kind(rows, driven.RowKind.SUBMIT)[0]
    venue["inbox_count"] = limits.INBOX_MAX
    with pytest.raises(AssertionError, match="INBOX_MAX"):
        replay_bars.venue_command(own.plan.venues, command, core_log.FIRST)


def test_a_venue_with_more_open_orders_than_it_holds_is_an_error_that_names_it():
    own = driven.Driven(ALWAYS)
    rows = own.bar(0, 100.0, 101.0, 99.0, 100.0)
    command = core_log.new_log(8)
    command[core_log.FIRST] = driven.of_kind(rows, driven.RowKind.SUBMIT)[0]
    own.plan.venues[0]["order_high"] = limits.ORDERS_MAX
    with pytest.raises(AssertionError, match="ORDERS_MAX"):
        replay_bars.venue_command(own.plan.venues, command, core_log.FIRST)


def test_a_log_without_room_is_an_error_that_names_the_rows():
    own = driven.Driven(ALWAYS, log_rows=6)
    with pytest.raises(AssertionError, match="ROWS_PER_STEP_MAX"):
        own.bar(0, 100.0, 101.0, 99.0, 100.0)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 101.0), (-5.0, 101.0), (99.0, 2e15), (99.0, math.inf), (math.nan, 101.0)]
)
def test_a_price_beyond_all_prices_is_an_error(low, high):
    own = driven.Driven(ALWAYS)
    with pytest.raises(AssertionError, match=r"PRICE_MAX|lies in its range|a price is positive"):
        own.bar(0, 100.0, high, low, 100.0)


def test_a_quantity_beyond_all_quantities_is_an_error_that_names_it():
    text = runs.strategy(
        "huge", s1={"all": [{"close": "> 0"}]}, z1={"size": {"type": "units", "value": 1e19}}, capital=1e20,
        account=dict.fromkeys(runs.FREE_ACCOUNT),
    )  # fmt: skip
    own = driven.Driven(text)
    with pytest.raises(AssertionError, match="QUANTITY_MAX"):
        own.bar(0, 0.001, 0.001, 0.001, 0.001)


def test_more_instruments_at_one_instant_than_there_are_is_an_error_that_names_it():
    own = driven.Driven(ALWAYS)
    own.state["touched_count"] = limits.INSTRUMENTS_MAX
    with pytest.raises(AssertionError, match="INSTRUMENTS_MAX"):
        own.bar(0, 100.0, 101.0, 99.0, 100.0)


@pytest.mark.parametrize("kind", ["long", "short"])
def test_a_full_ladder_that_fills_in_one_bar_fits_into_the_rows_kept_free(kind):
    """The most that one instance can write at one event, with the log as full as the driver lets it be."""
    steps = [[round(0.05 * k, 2), 12.5] for k in range(1, limits.LADDER_STEPS_MAX + 1)]
    target = {"type": "ladder", "of": "percent", "steps": steps}
    text = runs.strategy(
        "ladder", direction=kind.upper(), s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]},
        z1={"take_profit": target, "stop_loss": {"type": "trailing", "variant": "atr", "multiple": 4}},
        costs={"participation": 1.0},
    )  # fmt: skip
    setting = runs.Setting.random(text, seed=1, count=200, move=0.03)
    plan = setting.plan()
    rows = count_of_rows(setting)
    assert rows <= plan.rows_per_step, f"one event wrote {rows} rows"


def count_of_rows(setting):
    """The most rows that one market event wrote, with all that followed from it."""
    plan = setting.plan()
    feed = setting.market().feed(plan)
    log, most = core_log.new_log(60_000), 0
    equity, events = np.zeros(8, runs.EQUITY), np.zeros(1, runs.EVENT)
    control = np.zeros(replay_bars.CONTROL_COUNT, np.int64)
    while True:
        control[replay_status.EQUITY_COUNT], control[replay_status.LEFT] = 0, 1
        status = replay_bars.replay(
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, events, log, equity,
            plan.table, control,
        )  # fmt: skip
        if status == replay_status.FINISHED:
            return most
        most = max(most, core_log.count(log))
        core_log.empty(log)


def test_every_kind_of_run_stays_within_the_rows_it_kept_free():
    for texts in [*((text,) for text in runs.KINDS.values()), *runs.TOGETHER.values()]:
        setting = runs.Setting.random(*texts, seed=6, count=250, move=0.03)
        assert count_of_rows(setting) <= setting.plan().rows_per_step


# Ticks


TICKS = """
name: windows
family: signal
direction: LONG
instruments: [{names}]
feed: [trades, quotes]
variants: {{mean: {{type: TWPA, t1: 30}}, spread: {{type: SPREAD_PCT}}}}
sections:
  S1: {{all: [{{mean: "> 1e9"}}]}}
  Z1: {{immediate: true, size: {{type: fixed, value: 100}}}}
"""


def tick_plan(count=1):
    names = ", ".join(f'"test:A{k}USDT-perp"' for k in range(count))
    strategy = signal_read.loads(TICKS.format(names=names))
    return make_plan([strategy], runs.rules_for([strategy]))


def test_ends_of_windows_are_counted_before_a_run(monkeypatch):
    monkeypatch.setattr(limits, "EDGES_MAX", 1)
    with pytest.raises(CapacityError, match="EDGES_MAX"):
        tick_plan()


def test_there_is_a_tape_for_every_instrument_and_kind():
    assert limits.TAPES_MAX == 3 * limits.INSTRUMENTS_MAX


@pytest.mark.parametrize(("name", "value"), [("TAPE_ROWS_MAX", 2_048), ("ARENA_FLOATS_MAX", 50_000)])
def test_a_window_that_needs_more_room_than_there_is_ends_the_run_with_its_name(monkeypatch, name, value):
    plan = tick_plan()
    monkeypatch.setattr(limits, name, value)
    rows = np.zeros(5_000, TICK)
    rows["ts_init_ns"] = runs.START_NS + np.arange(5_000) * 1_000_000
    rows["price"], rows["qty"], rows["trade_id"] = 100.0, 1.0, np.arange(1, 5_001)
    pieces = (rows[at : at + 1_000] for at in range(0, 5_000, 1_000))
    feed = TickFeed([(TickSource(0, "trades", pieces), Clock.BOTH)], {}, plan.grids_ns)
    with pytest.raises(CapacityError, match=name):
        ticks_backtest.run(plan, feed, Recorder())


def test_more_commands_on_their_way_than_the_venue_takes_is_an_error_that_names_it():
    script = Script(latency_ms=(1_000, 0, 0)).quote(0, 100.0, 5, 100.1, 4).quote(50, 100.0, 5, 100.1, 4)
    for _ in range(limits.REQUESTS_MAX + 1):
        script.buy(10, 1, 90.0)
    with pytest.raises(AssertionError, match="REQUESTS_MAX"):
        script.run()


def test_messages_that_are_always_on_their_way_are_not_counted_when_they_have_arrived():
    """A command every millisecond for seconds, each 3 ms on its way, as answers are: few at a time, thousands in all.

    Every second one cancels the order before it, so that few orders are open as well.
    """
    count = 1_000 + limits.INBOX_MAX
    script = Script(latency_ms=(3, 3, 3)).quote(0, 100.0, 5, 100.1, 4)
    for at in range(10, 10 + count, 2):
        script.buy(at, 1, 90.0).cancel(at + 1, script.ids)
    said = script.quote(count + 50, 100.0, 5, 100.1, 4).run()
    assert count > limits.REQUESTS_MAX
    told = [(own.kind, own.order, own.at) for own in said]
    assert told == [
        (kind, 1 + k, 10 + 2 * k + at + 6)
        for k in range(count // 2)
        for at, kind in enumerate(("accepted", "canceled"))
    ]


def test_the_worst_levels_of_a_book_go_when_there_is_no_room():
    script = Script()
    for k in range(limits.LEVELS_MAX + 5):
        script.quote(k, 100.0 + k, 1 + k, 1_000.0, 1)
    script.run()
    book = script.plan.venues[0]["instruments"][0]
    assert book["bid_count"] == limits.LEVELS_MAX
    assert book["bids"][0]["price"] == 105.0
    assert book["bids"][limits.LEVELS_MAX - 1]["price"] == 100.0 + limits.LEVELS_MAX + 4


def test_every_capacity_has_a_test_of_its_own():
    here = inspect.getsource(inspect.getmodule(plan_of))
    elsewhere = {
        "ACCOUNTS_MAX",
        "ENDED_MAX",
        "FILL_KEYS_MAX",
        "NOTIONAL_MAX",
        "PARAMETERS_MAX",
        "CHECKS_MAX",
        "CALL_REQUESTS_MAX",
        "HISTORY_BARS_MAX",
    }
    elsewhere |= {
        "SERIES_MAX", "LEGS_MAX", "ASSETS_MAX", "TOKENS_MAX", "BALANCES_MAX", "HOLDINGS_MAX", "BUNDLE_MAX",
        "BUNDLES_MAX", "TRANSITS_MAX", "BUCKETS_MAX",
    }  # fmt: skip  # of carry: tests/carry/test_carry_capacities.py
    for name in vars(limits):
        if name.endswith("_MAX"):
            assert name in here or name in elsewhere, name


def test_a_check_too_many_is_an_error_that_names_it(monkeypatch):
    from tightloop.core import checks

    monkeypatch.setattr(limits, "CHECKS_MAX", 2)
    with pytest.raises(AssertionError, match="CHECKS_MAX"):
        checks.all_checks.__wrapped__()


def test_events_that_go_back_in_time_are_refused():
    own = driven.Driven(ALWAYS)
    own.bar(0, 100.0, 101.0, 99.0, 100.0)
    own.now_ns -= 1
    with pytest.raises(AssertionError, match="order of time"):
        own.send(EventKind.TIMER)
