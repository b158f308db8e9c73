"""Every key of the strategy file is accepted and reaches the plan; whatever is spelled alike has the same hash."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from tightloop.app.cli.main import main
from tightloop.core import families
from tightloop.core.domain.enums import OrderKind, PriceKind, SizeKind, SlippageKind, StopKind, TargetKind, TimeInForce
from tightloop.model import load as model_load
from tightloop.model.errors import InputError
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.conditions import Condition, Tree, conditions_of
from tightloop.model.signal.plan import make_plan

FULL = """\
name: everything                    # a comment
family: signal
version: 3
description: every key once
direction: SHORT
instruments: [binance:BTCUSDT-perp, binance:ETHUSDT-perp]
timeframe: 1m
capital: 1_000_000
confidence: rsi
variants:
  fast: {type: EMA, period: 10}
  slow: {type: EMA, period: 50, timeframe: 1h}
  rsi: {type: RSI, period: 14}
  atr: {type: ATR}
  low: {type: DONCHIAN, period: 60, output: lower}
  age: {type: SIGNAL_AGE_SECONDS}
  pnl: {type: UNREALIZED_PNL_PCT}
sections:
  S1:
    all:
      - {fast: crosses_above slow}
      - {rsi: ">= 30"}
      - {rsi: "<80"}
      - any: [{fast: "!= slow"}, {fast: "==1e3"}, {rsi: between 40 80}, {rsi: between 40 and 80}]
      - not: {rsi: "in [1, 2]"}
  O1:
    timeout_s: 300
    any: [{hold: [{rsi: "> 90"}, 10]}, {age: "> 60"}]
    cooldown_min: 5
  Z1:
    seq: [[{fast: "> slow"}, {fast: "<= slow"}], 600]
    order: {type: stop_limit, price: fast, offset_bps: -5, limit_offset_bps: 3, ttl_s: 90, tif: GTT, post_only: false}
    size: {type: risk, value: 1.5, clamp: [20, 5_000], scale: {variant: rsi, points: [[20, 1.2], [70, 0.55]]}}
    leverage: 3
    stop_loss: {type: percent, value: 2, of: signal, trigger: last}
    take_profit: {type: ladder, of: pump_retracement, base: low, steps: [[30, 30], [50, 40], [70, 30]]}
  ZE1:
    any: [{pnl: ">= 12"}]
    cooldown_min: 1
  E1:
    any: [{pnl: "<= -8"}]
    actions: {cancel_pending: false, close: market, log: true}
    on_stale: {after_s: 15, do: exit}
    cooldown_min: 30
costs: {taker_bps: 5, maker_bps: -1, slippage: {type: impact, half_spread_bps: 1, coefficient: 20}, participation: 0.1,
        funding: off}
limits: {max_concurrent_positions: 2, max_daily_trades: 5, max_losses_in_row: 3, loss_cooldown_min: 20,
         max_hold_min: 30, daily_loss_pct: 3, min_risk_reward: 1.5}
account: {max_position_pct: 20, max_positions: 4, max_symbol_pct: 40, daily_loss_pct: 6, max_drawdown_pct: 25,
          max_margin_pct: 70, max_leverage: 5, max_order_notional: 1e6, price_band_pct: 10, max_portfolio_pct: 300}
"""
MINUTE_NS, SECOND_NS = 60_000_000_000, 1_000_000_000


def plan_of(text, **options):
    strategy = signal_read.loads(text, "full.yaml", **options)
    return make_plan([strategy], {i: default_rules(i) for i in strategy.instruments})


def row_of(text, **options):
    """The strategy's row of the state."""
    return plan_of(text, **options).states[0]["strategies"][0]


def test_every_key_of_the_contract_reaches_the_plan():
    plan = plan_of(FULL)
    state, row = plan.states[0], plan.states[0]["strategies"][0]
    said = {
        "direction": -1,
        "z1_immediate": 0,
        "order_kind": OrderKind.STOP_LIMIT,
        "order_tif": TimeInForce.GTT,
        "order_post_only": 0,
        "order_ttl_ns": 90 * SECOND_NS,
        "price_kind": PriceKind.VARIANT,
        "price_slot": 0,
        "price_offset_bps": -5.0,
        "limit_offset_bps": 3.0,
        "size_kind": SizeKind.RISK,
        "size_value": 1.5,
        "notional_min": 20.0,
        "notional_max": 5_000.0,
        "scale_slot": 2,
        "scale_count": 2,
        "leverage": 3.0,
        "stop_kind": StopKind.PERCENT,
        "stop_value": 2.0,
        "stop_of_signal": 1,
        "target_kind": TargetKind.LADDER_RETRACEMENT,
        "step_count": 3,
        "base_slot": 4,
        "confidence_slot": 2,
        "o1_timeout_ns": 300 * SECOND_NS,
        "o1_cooldown_ns": 5 * MINUTE_NS,
        "ze1_cooldown_ns": MINUTE_NS,
        "e1_cooldown_ns": 30 * MINUTE_NS,
        "e1_cancels_pending": 0,
        "max_concurrent_positions": 2,
        "max_daily_trades": 5,
        "max_losses_in_row": 3,
        "loss_cooldown_ns": 20 * MINUTE_NS,
        "max_hold_ns": 30 * MINUTE_NS,
        "daily_loss_pct": 3.0,
        "min_risk_reward": 1.5,
    }
    assert {name: row[name] for name in said} == said
    assert list(row["step_at"][:3]) == [30.0, 50.0, 70.0]
    assert list(row["step_share_pct"][:3]) == [30.0, 40.0, 30.0]
    assert list(row["scale_at"][:2]) == [20.0, 70.0]
    assert list(row["scale_by"][:2]) == [1.2, 0.55]
    assert (row["section_count"] > 0).all()
    assert int(state["aggregate_count"]) == 2, "one bar of an hour for each instrument"
    account = {name: float(state["limits"][name]) for name in state["limits"].dtype.names}
    assert account == {
        "max_position_pct": 20.0,
        "max_positions": 4.0,
        "max_symbol_pct": 40.0,
        "daily_loss_pct": 6.0,
        "max_drawdown_pct": 25.0,
        "max_margin_pct": 70.0,
        "max_leverage": 5.0,
        "max_order_notional": 1e6,
        "price_band_pct": 10.0,
        "max_portfolio_pct": 300.0,
    }
    costs = state["instances"][0]["costs"]
    assert float(costs["taker_rate"]) == 0.0005
    assert float(costs["maker_rate"]) == -0.0001
    assert float(costs["participation"]) == 0.1
    assert int(costs["slippage_kind"]) == SlippageKind.IMPACT
    assert float(costs["slippage_bps"]) == 1.0
    assert float(costs["slippage_coefficient"]) == 20.0
    assert set(plan.funding.values()) == {False}
    assert plan.capital == 1_000_000.0


def test_what_bars_can_not_do_is_said():
    warnings = "\n".join(signal_read.loads(FULL, "full.yaml").warnings)
    assert "E1.on_stale watches a feed" in warnings
    assert "the trigger of stop_loss is a touch" in warnings


ORDER = "{type: stop_limit, price: fast, offset_bps: -5, limit_offset_bps: 3, ttl_s: 90, tif: GTT, post_only: false}"
STOP = "{type: percent, value: 2, of: signal, trigger: last}"
TARGET = "{type: ladder, of: pump_retracement, base: low, steps: [[30, 30], [50, 40], [70, 30]]}"
FORMS = {  # what stands in the file, what takes its place, fields of the row
    "market": (ORDER, "{type: market}", {"order_kind": OrderKind.MARKET, "order_tif": TimeInForce.GTC}),
    "limit at the close": (
        ORDER,
        "{type: limit, price: close, post_only: true}",
        {"order_kind": OrderKind.LIMIT, "price_kind": PriceKind.CLOSE, "order_post_only": 1},
    ),
    "limit at a number": (
        ORDER,
        "{type: limit, price: 1_234.5, tif: IOC}",
        {"price_kind": PriceKind.NUMBER, "price_number": 1234.5, "order_tif": TimeInForce.IOC},
    ),
    "stop": (
        ORDER,
        "{type: stop, price: slow, tif: FOK}",
        {"order_kind": OrderKind.STOP, "price_slot": 1, "order_tif": TimeInForce.FOK},
    ),
    "fixed": (
        "type: risk, value: 1.5",
        "type: fixed, value: 10_000",
        {"size_kind": SizeKind.FIXED, "size_value": 10_000.0},
    ),
    "units": ("type: risk, value: 1.5", "type: units, value: .5", {"size_kind": SizeKind.UNITS, "size_value": 0.5}),
    "percentage": (
        "type: risk, value: 1.5",
        "type: percentage, value: 2e0",
        {"size_kind": SizeKind.PERCENTAGE, "size_value": 2.0},
    ),
    "absolute stop": (
        STOP,
        "{type: absolute, price: 7e4, trigger: mark}",
        {"stop_kind": StopKind.ABSOLUTE, "stop_value": 70_000.0},
    ),
    "indicator stop": (
        STOP,
        "{type: indicator, variant: low, offset_pct: 1}",
        {"stop_kind": StopKind.INDICATOR, "stop_value": 1.0, "stop_slot": 4},
    ),
    "atr stop": (
        STOP,
        "{type: atr, variant: atr, multiple: 2}",
        {"stop_kind": StopKind.ATR, "stop_value": 2.0, "stop_slot": 3},
    ),
    "trailing stop": (
        STOP,
        "{type: trailing, trail_pct: 3}",
        {"stop_kind": StopKind.TRAILING_PERCENT, "stop_trail_pct": 3.0},
    ),
    "trailing variant": (
        STOP,
        "{type: trailing, variant: atr, multiple: 3}",
        {"stop_kind": StopKind.TRAILING_VARIANT, "stop_value": 3.0, "stop_slot": 3},
    ),
    "peak": (STOP, "{type: peak, buffer_pct: 8, trigger: touch}", {"stop_kind": StopKind.PEAK, "stop_value": 8.0}),
    "percent target": (
        TARGET,
        "{type: percent, value: 3, of: entry}",
        {"target_kind": TargetKind.PERCENT, "target_value": 3.0, "target_of_signal": 0},
    ),
    "absolute target": (
        TARGET,
        "{type: absolute, price: 5}",
        {"target_kind": TargetKind.ABSOLUTE, "target_value": 5.0},
    ),
    "indicator target": (
        TARGET,
        "{type: indicator, variant: low, offset_pct: -1}",
        {"target_kind": TargetKind.INDICATOR, "target_slot": 4, "target_value": -1.0},
    ),
    "atr target": (
        TARGET,
        "{type: atr, variant: atr, multiple: 4}",
        {"target_kind": TargetKind.ATR, "target_value": 4.0},
    ),
    "ladder in percent": (
        "of: pump_retracement, base: low, steps: [[30, 30], [50, 40], [70, 30]]",
        "of: percent, steps: [[2, 50]]",
        {"target_kind": TargetKind.LADDER_PERCENT, "step_count": 1},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_an_order_a_size_a_stop_and_a_target_reaches_the_plan(name):
    old, new, said = FORMS[name]
    assert old in FULL
    row = row_of(FULL.replace(old, new))
    assert {field: row[field] for field in said} == said


@pytest.mark.parametrize(
    ("slippage", "kind", "bps"),
    [
        ("{type: none}", SlippageKind.NONE, 0.0),
        ("none", SlippageKind.NONE, 0.0),
        ("{type: fixed, bps: 2}", SlippageKind.FIXED, 2.0),
        ("{type: random, bps: 3}", SlippageKind.RANDOM, 3.0),
    ],
)
def test_every_slippage_reaches_the_plan(slippage, kind, bps):
    plan = plan_of(FULL.replace("{type: impact, half_spread_bps: 1, coefficient: 20}", slippage))
    costs = plan.states[0]["instances"][0]["costs"]
    assert (int(costs["slippage_kind"]), float(costs["slippage_bps"])) == (kind, bps)


SHORT_FORM = """\
name: minimum
family: signal
direction: LONG
instruments: [ftx:BTCUSD-perp]
timeframe: 1m
variants: {fast: {type: EMA, period: 10}}
sections:
  S1: {all: [{fast: "> 1"}]}
  Z1: {immediate: true, size: {type: fixed, value: 10}}
"""


def test_what_is_not_written_is_off_but_the_account():
    plan = plan_of(SHORT_FORM)
    row = plan.states[0]["strategies"][0]
    for name in (
        "max_concurrent_positions",
        "max_daily_trades",
        "max_losses_in_row",
        "loss_cooldown_ns",
        "max_hold_ns",
        "o1_timeout_ns",
        "o1_cooldown_ns",
        "ze1_cooldown_ns",
        "e1_cooldown_ns",
        "stop_kind",
        "target_kind",
    ):
        assert row[name] == 0, name
    assert row["daily_loss_pct"] != row["daily_loss_pct"]
    account = plan.strategies[0].read.account
    assert account.model_dump() == {
        "max_position_pct": 10,
        "max_positions": 3,
        "max_symbol_pct": 30,
        "daily_loss_pct": 5,
        "max_drawdown_pct": 15,
        "max_margin_pct": 80,
        "max_leverage": 10,
        "max_order_notional": None,
        "price_band_pct": None,
        "max_portfolio_pct": None,
    }
    assert row["leverage"] == 1


@pytest.mark.parametrize("off", ["null", "off", "~"])
def test_every_limit_can_be_switched_off(off):
    limits = "{max_concurrent_positions: 2, max_daily_trades: 5, max_losses_in_row: 3, loss_cooldown_min: 20,"
    text = FULL.replace(limits, limits.replace(": 5,", f": {off},")).replace(
        "max_symbol_pct: 40", f"max_symbol_pct: {off}"
    )
    strategy = signal_read.loads(text)
    assert strategy.read.limits.max_daily_trades is None
    assert strategy.read.account.max_symbol_pct is None


NUMBERS = ["1_000_000", "1e6", "1000000", "1.0e+6", "1_000_000.0", "+1000000"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_may_be_written_as_people_write_it(number):
    text = FULL.replace("capital: 1_000_000", f"capital: {number}")
    assert signal_read.loads(text).read.capital == 1_000_000.0
    assert signal_read.loads(text).config_hash == signal_read.loads(FULL).config_hash


@pytest.mark.parametrize(
    ("written", "operator", "operands"),
    [
        ('"< 30"', "<", (30.0,)),
        ('"<30"', "<", (30.0,)),
        ('"  <   30 "', "<", (30.0,)),
        ('"<=-3.5"', "<=", (-3.5,)),
        ('">fast"', ">", ("fast",)),
        ('"== 1_000"', "==", (1000.0,)),
        ('"!=1e3"', "!=", (1000.0,)),
        ("between 40 80", "between", (40.0, 80.0)),
        ("between 40 and 80", "between", (40.0, 80.0)),
        ('"between [40, 80]"', "between", (40.0, 80.0)),
        ("between slow fast", "between", ("slow", "fast")),
        ('"in [1, 2]"', "in", (1.0, 2.0)),
        ('"in 1 2"', "in", (1.0, 2.0)),
        ('"in (1, 2)"', "in", (1.0, 2.0)),
        ("crosses_above 70", "crosses_above", (70.0,)),
        ("crosses_below slow", "crosses_below", ("slow",)),
    ],
)
def test_a_condition_may_be_written_with_blanks_or_without(written, operator, operands):
    strategy = signal_read.loads(FULL.replace('{rsi: ">= 30"}', f"{{rsi: {written}}}"))
    condition = conditions_of(strategy.trees["S1"])[1]
    assert isinstance(condition, Condition)
    assert (condition.variant, condition.operator, condition.operands) == ("rsi", operator, operands)


def test_trees_nest():
    tree = signal_read.loads(FULL).trees["O1"]
    assert isinstance(tree, Tree)
    assert [part.kind for part in tree.parts if isinstance(part, Tree)] == ["hold"]
    assert tree.parts[0].span_s == 10.0


SETTINGS = {
    "variants.fast.period=12": lambda s: s.variants["fast"].values["period"] == 12,
    "capital=5e5": lambda s: s.read.capital == 500_000,
    "sections.Z1.leverage=2": lambda s: s.read.sections.Z1.leverage == 2,
    "sections.S1.all.0.fast=crosses_below slow": lambda s: s.trees["S1"].parts[0].operator == "crosses_below",
    "sections.S1.all.1.rsi=> 5": lambda s: s.trees["S1"].parts[1].operands == (5.0,),
    "sections.S1.all.3.any.0.fast=<= 5": lambda s: s.trees["S1"].parts[3].parts[0].operator == "<=",
    "sections.O1.any.0.hold.1=20": lambda s: s.trees["O1"].parts[0].span_s == 20.0,
    "sections.Z1.take_profit.steps.0.1=20": lambda s: s.read.sections.Z1.take_profit.steps[0] == [30.0, 20.0],
    "sections.Z1.stop_loss={type: peak, buffer_pct: 8}": lambda s: s.read.sections.Z1.stop_loss.buffer_pct == 8,
    "sections.Z1.stop_loss=null": lambda s: s.read.sections.Z1.stop_loss is None,
    "instruments.1=binance:LTCUSDT-perp": lambda s: str(s.instruments[1]) == "binance:LTCUSDT-perp",
    "instruments=[okx:ETHUSDT-perp]": lambda s: [str(i) for i in s.instruments] == ["okx:ETHUSDT-perp"],
    "limits.max_hold_min=off": lambda s: s.read.limits.max_hold_min is None,
    "sections.Z1.order.post_only=false": lambda s: s.read.sections.Z1.order.post_only is False,
    'name="5 of them"': lambda s: s.read.name == "5 of them",
    "variants.more.type=ATR": lambda s: s.variants["more"].type == "ATR",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_written_over_the_file(setting):
    also = ["sections.Z1.size.type=fixed", "limits.min_risk_reward=null"] if "null" in setting else []
    assert SETTINGS[setting](signal_read.loads(FULL, settings=[*also, setting]))


def test_instruments_of_the_command_line_take_the_place_of_the_files(tmp_path):
    strategy = signal_read.loads(FULL, instruments=["okx:ETHUSDT-perp"])
    assert [str(i) for i in strategy.instruments] == ["okx:ETHUSDT-perp"]
    file = tmp_path / "full.yaml"
    file.write_text(FULL, encoding="utf-8")
    done = CliRunner().invoke(main, ["validate", str(file), "--instrument", "okx:ETHUSDT-perp", "--set", "capital=5"])
    assert done.exit_code == 0, done.output


def test_every_family_that_there_is_can_be_named():
    for family in families.families_found():
        try:
            model_load.loads(FULL.replace("family: signal", f"family: {family}"))
        except InputError as error:  # it may want other sections, but it is known
            fields = [problem.field for problem in error.problems]
            if "family" in fields:
                raise


def test_the_strategies_of_the_repository_are_valid():
    for path in sorted((Path(__file__).parents[3] / "strategies").glob("*.yaml")):
        signal_read.load(path)


# The hash ------------------------------------------------------------------------------------------------------------

SAME = {
    "comments": lambda text: text.replace("# a comment", "# another"),
    "no comments": lambda text: text.replace("# a comment", ""),
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "description": lambda text: text.replace("every key once", "in other words"),
    "order of keys": lambda text: text.replace("{type: EMA, period: 10}", "{period: 10, type: EMA}"),
    "order of blocks": lambda text: (
        "".join(sorted(text.replace(",\n  ", ", ").splitlines(keepends=True)[:9], key=lambda line: line[::-1]))
        + "".join(text.splitlines(keepends=True)[9:])
    ),
    "numbers": lambda text: text.replace("period: 10}", "period: 1.0e1}").replace("value: 1.5,", "value: 1.50,"),
    "blanks of a condition": lambda text: text.replace('"<80"', '"<   80.0"'),
    "and": lambda text: text.replace("between 40 and 80", "between 40 80"),
    "defaults that are written": lambda text: text.replace("{type: ATR}", "{type: ATR, period: 14}"),
    "the run's timeframe": lambda text: text.replace("{type: ATR}", "{type: ATR, timeframe: 1m}"),
    "the first output": lambda text: text.replace("{type: ATR}", "{type: ATR, output: value}"),
    "flow": lambda text: text.replace("    cooldown_min: 1\n", "    cooldown_min: 1.0\n"),
    "none": lambda text: text.replace("funding: off", "funding: 'off'"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_hash_does_not_see_how_a_file_is_spelled(name):
    other = SAME[name](FULL)
    assert other != FULL
    assert signal_read.loads(other).config_hash == signal_read.loads(FULL).config_hash


DIFFERENT = [
    ("period: 10}", "period: 11}"),
    ("{type: ATR}", "{type: ATR, period: 15}"),
    ("output: lower", "output: upper"),
    ("timeframe: 1h", "timeframe: 4h"),
    ("timeframe: 1m", "timeframe: 1s"),
    ("1_000_000", "1_000_001"),
    ("direction: SHORT", "direction: LONG"),
    ("confidence: rsi", "confidence: atr"),
    (", binance:ETHUSDT-perp", ""),
    ("crosses_above", "crosses_below"),
    ('"<80"', '"<=80"'),
    ('"<80"', '"<81"'),
    ("{rsi: between", "{pnl: between"),
    ("10]}, {age", "11]}, {age"),
    ("], 600]", "], 601]"),
    ("timeout_s: 300", "timeout_s: 301"),
    ("cooldown_min: 5", "cooldown_min: 6"),
    ("cooldown_min: 1\n", "cooldown_min: 2\n"),
    ("cooldown_min: 30", "cooldown_min: 31"),
    ("price: fast", "price: slow"),
    ("price: fast", "price: close"),
    ("offset_bps: -5", "offset_bps: 5"),
    ("limit_offset_bps: 3", "limit_offset_bps: 4"),
    ("ttl_s: 90", "ttl_s: 91"),
    ("tif: GTT", "tif: GTC"),
    ("type: risk", "type: percentage"),
    ("value: 1.5", "value: 1.6"),
    ("clamp: [20", "clamp: [21"),
    ("5_000]", "5_001]"),
    ("[70, 0.55]", "[70, 0.56]"),
    ("scale: {variant: rsi", "scale: {variant: age"),
    ("leverage: 3", "leverage: 4"),
    ("value: 2, of", "value: 2.1, of"),
    ("of: signal", "of: entry"),
    ("trigger: last", "trigger: mark"),
    ("base: low", "base: fast"),
    ("[30, 30]", "[31, 30]"),
    ("[30, 30]", "[30, 29]"),
    ("cancel_pending: false", "cancel_pending: true"),
    ("after_s: 15", "after_s: 16"),
    ("do: exit", "do: alert"),
    ("taker_bps: 5", "taker_bps: 6"),
    ("maker_bps: -1", "maker_bps: 1"),
    ("half_spread_bps: 1", "half_spread_bps: 2"),
    ("coefficient: 20", "coefficient: 21"),
    ("participation: 0.1", "participation: 0.2"),
    ("funding: off", "funding: on"),
    ("max_concurrent_positions: 2", "max_concurrent_positions: 3"),
    ("max_daily_trades: 5", "max_daily_trades: 6"),
    ("max_losses_in_row: 3", "max_losses_in_row: 4"),
    ("loss_cooldown_min: 20", "loss_cooldown_min: 21"),
    ("max_hold_min: 30", "max_hold_min: 31"),
    ("daily_loss_pct: 3", "daily_loss_pct: 3.5"),
    ("min_risk_reward: 1.5", "min_risk_reward: 1.6"),
    ("max_position_pct: 20", "max_position_pct: 21"),
    ("max_positions: 4", "max_positions: 5"),
    ("max_symbol_pct: 40", "max_symbol_pct: 41"),
    ("daily_loss_pct: 6", "daily_loss_pct: 7"),
    ("max_drawdown_pct: 25", "max_drawdown_pct: 26"),
    ("max_margin_pct: 70", "max_margin_pct: 71"),
    ("max_leverage: 5", "max_leverage: 6"),
    ("max_order_notional: 1e6", "max_order_notional: 2e6"),
    ("price_band_pct: 10", "price_band_pct: 11"),
    ("max_portfolio_pct: 300", "max_portfolio_pct: null"),
    ("name: everything", "name: everything_else"),
]


@pytest.mark.parametrize(("old", "new"), DIFFERENT)
def test_the_hash_sees_every_value_that_changes_what_is_done(old, new):
    assert old in FULL
    other = signal_read.loads(FULL.replace(old, new, 1))
    assert other.config_hash != signal_read.loads(FULL).config_hash


@given(st.lists(st.sampled_from(range(len(DIFFERENT))), unique=True, min_size=1, max_size=4), st.randoms())
@settings(max_examples=examples(60), deadline=None)
def test_the_hash_is_a_function_of_what_was_changed(chosen, chance):
    """The same changes give the same hash in whatever order and spelling they are made; others give another."""

    def made(numbers, spelled):
        text = FULL
        for number in numbers:
            text = text.replace(*DIFFERENT[number], 1)
        try:
            return signal_read.loads(SAME["comments"](SAME["and"](text)) if spelled else text).config_hash
        except InputError:
            return None

    first = made(sorted(chosen), spelled=False)
    assert made(sorted(chosen), spelled=True) == first
    if first is not None:
        assert first != signal_read.loads(FULL).config_hash


def test_settings_and_files_that_say_the_same_have_the_same_hash():
    by_file = signal_read.loads(FULL.replace("period: 10}", "period: 12}"))
    by_option = signal_read.loads(FULL, settings=["variants.fast.period=12"])
    by_sweep = signal_read.loads(FULL, settings=[("variants.fast.period", 12)])
    assert by_file.config_hash == by_option.config_hash == by_sweep.config_hash
    assert by_file == by_option or by_file.text != by_option.text
