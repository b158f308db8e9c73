"""A good strategy file and everything that can be wrong with one: what is changed, and what the refusal must say."""

from typing import NamedTuple

GOOD = """\
name: good_one
family: signal
direction: LONG
instruments: [binance:BTCUSDT-perp]
timeframe: 1m
capital: 100_000
variants:
  fast: {type: EMA, period: 10}
  slow: {type: EMA, period: 50}
  wide: {type: BOLLINGER, period: 20, deviations: 2, output: upper}
  hour: {type: RSI, timeframe: 1h}
  atr: {type: ATR}
sections:
  S1:
    all: [{fast: crosses_above slow}, {hour: "< 70"}]
  O1:
    timeout_s: 300
    any: [{hold: [{fast: "< slow"}, 60]}]
    cooldown_min: 5
  Z1:
    any: [{fast: "> slow"}, {not: {hour: between 40 80}}]
    order: {type: limit, price: close, offset_bps: -5, ttl_s: 120}
    size: {type: fixed, value: 1_000, clamp: [20, 5_000]}
    leverage: 2
    stop_loss: {type: percent, value: 2}
    take_profit: {type: ladder, of: percent, steps: [[1, 50], [2, 50]]}
  ZE1:
    seq: [[{fast: "> slow"}, {fast: "< slow"}], 600]
    cooldown_min: 1
  E1:
    any: [{hour: "> 90"}]
    actions: {cancel_pending: true, close: market, log: true}
    cooldown_min: 30
costs: {taker_bps: 5, maker_bps: 2, slippage: {type: none}}
limits: {max_concurrent_positions: 3}
account: {max_position_pct: 10}
"""


class Bad(NamedTuple):
    """``old`` becomes ``new``; the refusal begins with ``where`` (after the file's name) and holds the other two."""

    old: str
    new: str
    where: str
    says: str
    remedy: str


LEVERAGE, STOP = "    leverage: 2\n", "{type: percent, value: 2}"
TAKE = "{type: ladder, of: percent, steps: [[1, 50], [2, 50]]}"
SIZE = "{type: fixed, value: 1_000, clamp: [20, 5_000]}"
S1 = 'all: [{fast: crosses_above slow}, {hour: "< 70"}]'

BAD = {
    # keys that are not known, at every level
    "key of the file": ("capital:", "captial:", ":6: captial:", "not a known key", "did you mean capital?"),
    "key of the sections": ("  ZE1:\n", "  ZE2:\n", ":27: sections.ZE2:", "not a known key", "did you mean ZE1?"),
    "key of a section": (
        "    timeout_s: 300",
        "    timeout: 300",
        ":17: sections.O1.timeout:",
        "not a known key",
        "timeout_s?",
    ),
    "key of a section that another has": (
        "  S1:\n",
        "  S1:\n    cooldown_min: 3\n",
        ":15: sections.S1.cooldown_min:",
        "not a known key",
        "known keys are all, any",
    ),
    "key of an order": (
        "ttl_s: 120",
        "ttl: 120",
        ":22: sections.Z1.order.ttl:",
        "not a known key",
        "did you mean ttl_s?",
    ),
    "key of a size": ("clamp:", "clmp:", ":23: sections.Z1.size.clmp:", "not a known key", "did you mean clamp?"),
    "key of a stop": (
        STOP,
        "{type: percent, value: 2, trigr: last}",
        ":25: sections.Z1.stop_loss.trigr:",
        "not a known key",
        "did you mean trigger?",
    ),
    "key of another kind of stop": (
        STOP,
        "{type: peak, buffer_pct: 8, value: 2}",
        ":25: sections.Z1.stop_loss.value:",
        "not a known key",
        "known keys are type, buffer_pct",
    ),
    "key of a target": (
        TAKE,
        "{type: percent, value: 2, share: 5}",
        ":26: sections.Z1.take_profit.share:",
        "not a known key",
        "known keys are type, value",
    ),
    "key of the actions": (
        "close: market",
        "closes: market",
        ":32: sections.E1.actions.closes:",
        "not a known key",
        "did you mean close?",
    ),
    "key of the costs": ("taker_bps", "taker_bp", ":34: costs.taker_bp:", "not a known key", "did you mean taker_bps?"),
    "key of a slippage": (
        "{type: none}",
        "{type: fixed, bp: 1, bps: 2}",
        ":34: costs.slippage.bp:",
        "not a known key",
        "did you mean bps?",
    ),
    "key of the limits": (
        "max_concurrent_positions",
        "max_positions",
        ":35: limits.max_positions:",
        "not a known key",
        "max_concurrent_positions",
    ),
    "key of the account": (
        "max_position_pct",
        "max_postion_pct",
        ":36: account.max_postion_pct:",
        "not a known key",
        "did you mean max_position_pct?",
    ),
    "the name of a tree": (S1, "tree: {all: []}", ":15: sections.S1.tree:", "not a known key", "write one of all, any"),
    "params of the signal family": (
        "capital: 100_000",
        "params: {x: 1}",
        ":6: params.x:",
        "'x' is not a parameter",
        "remove it",
    ),
    # what a key holds
    "list for a mapping": (
        "costs: {taker_bps: 5, maker_bps: 2, slippage: {type: none}}",
        "costs: [5]",
        ":34: costs:",
        "[5] is not a mapping",
        "write keys under it: taker_bps",
    ),
    "number for a section": (
        GOOD[GOOD.index("  ZE1:") : GOOD.index("  E1:")],
        "  ZE1: 5\n",
        ":27: sections.ZE1:",
        "5 is not a mapping",
        "write keys under it",
    ),
    "text for the sections": (
        "limits: {max_concurrent_positions: 3}",
        "limits: none",
        ":35: limits:",
        "'none' is not a mapping",
        "write keys under it",
    ),
    "text for a number": (
        "capital: 100_000",
        "capital: much",
        ":6: capital:",
        "'much' is not a number",
        "write a number above 0",
    ),
    "quoted number": (
        "capital: 100_000",
        'capital: "100"',
        ":6: capital:",
        "'100' is not a number",
        "write a number above 0",
    ),
    "true for a number": (
        "capital: 100_000",
        "capital: true",
        ":6: capital:",
        "true is not a number",
        "write a number above 0",
    ),
    "number for true": (
        "log: true",
        "log: 1",
        ":32: sections.E1.actions.log:",
        "1 is not true or false",
        "write true or false",
    ),
    "list for a number": (
        "    cooldown_min: 5",
        "    cooldown_min: [5]",
        ":19: sections.O1.cooldown_min:",
        "[5] is not a number",
        "between 0 and",
    ),
    "fraction for a count": (
        "positions: 3",
        "positions: 2.5",
        ":35: limits.max_concurrent_positions:",
        "2.5 is not a whole number",
        "write a whole number",
    ),
    "nan": ("capital: 100_000", "capital: nan", ":6: capital:", "'nan' is not a number", "write a number above 0"),
    "infinity": (
        "capital: 100_000",
        "capital: 1e999",
        ":6: capital:",
        "infinity is not above 0",
        "write a number above 0",
    ),
    "thousands of digits": (
        "capital: 100_000",
        "capital: 1" + 5_000 * "0",
        ":6: capital:",
        "infinity is not above 0",
        "write a number above 0",
    ),
    "hundreds of digits": (
        "capital: 100_000",
        "capital: 1" + 350 * "0",
        ":6: capital:",
        "more than 18 digits is not above 0",
        "write a number above 0",
    ),
    "number for a name": ("name: good_one", "name: 5", ":1: name:", "5 is not text", "write a name of 3 to 100"),
    "short name": ("name: good_one", "name: ab", ":1: name:", "'ab' is not a text of 3", "write a name of 3 to 100"),
    "name that cannot be shown": (
        "name: good_one",
        'name: "a\\u0007bc"',
        ":1: name:",
        "can be shown",
        "write a name of 3 to 100",
    ),
    "text for instruments": (
        "[binance:BTCUSDT-perp]",
        "binance:BTCUSDT-perp",
        ":4: instruments:",
        "is not a list",
        "write instruments: [",
    ),
    "mapping for a description": (
        "capital: 100_000",
        "description: {a: 1}",
        ":6: description:",
        "is not text",
        "write a text",
    ),
    # bounds
    "negative capital": ("100_000", "-5", ":6: capital:", "-5 is not above 0", "write a number above 0"),
    "no leverage": (
        LEVERAGE,
        "    leverage: 0\n",
        ":24: sections.Z1.leverage:",
        "0 is not between 1 and 10;",
        "write a number between 1 and 10",
    ),
    "leverage beyond the account": (
        LEVERAGE,
        "    leverage: 11\n",
        ":24: sections.Z1.leverage:",
        "11 is not between 1 and 10;",
        "raise account.max_leverage",
    ),
    "leverage as a word": (
        LEVERAGE,
        "    leverage: high\n",
        ":24: sections.Z1.leverage:",
        "'high' is not a number",
        "1 for none",
    ),
    "cooldown below zero": (
        "    cooldown_min: 30",
        "    cooldown_min: -1",
        ":33: sections.E1.cooldown_min:",
        "-1 is not between 0",
        "write a number between",
    ),
    "timeout of years": (
        "timeout_s: 300",
        "timeout_s: 1e12",
        ":17: sections.O1.timeout_s:",
        "is not between 0 and 31_622_400",
        "write a number between",
    ),
    "offset of the order": (
        "offset_bps: -5",
        "offset_bps: -6000",
        ":22: sections.Z1.order.offset_bps:",
        "-6_000 is not between -5_000",
        "write a number between",
    ),
    "no time to live": (
        "ttl_s: 120",
        "ttl_s: 0",
        ":22: sections.Z1.order.ttl_s:",
        "0 is not above 0",
        "write a number above 0",
    ),
    "price below zero": (
        "price: close",
        "price: -1",
        ":22: sections.Z1.order.price:",
        "-1 is not above 0",
        "write a number above 0",
    ),
    "fee of the taker": (
        "taker_bps: 5",
        "taker_bps: 5000",
        ":34: costs.taker_bps:",
        "5_000 is not between -100 and 1_000",
        "write a number between",
    ),
    "participation": (
        "{taker_bps: 5",
        "{participation: 1.5, taker_bps: 5",
        ":34: costs.participation:",
        "1.5 is not above 0 and at most 1",
        "write a number above 0",
    ),
    "slippage below zero": (
        "{type: none}",
        "{type: random, bps: -1}",
        ":34: costs.slippage.bps:",
        "-1 is not between 0",
        "write a number between",
    ),
    "limit of the account": (
        "max_position_pct: 10",
        "max_position_pct: 0",
        ":36: account.max_position_pct:",
        "0 is not above 0",
        "write a number above 0",
    ),
    "limit of the strategy": (
        "positions: 3",
        "positions: 0",
        ":35: limits.max_concurrent_positions:",
        "0 is not between 1 and",
        "write a whole number",
    ),
    "percent of equity": (
        SIZE,
        "{type: risk, value: 101}",
        ":23: sections.Z1.size.value:",
        "101 percent is not above 0 and at most 100",
        "write a number above 0",
    ),
    "clamp the wrong way round": (
        "[20, 5_000]",
        "[50, 5]",
        ":23: sections.Z1.size.clamp:",
        "50 to 5 holds no amount",
        "smaller one first",
    ),
    "clamp of one": (
        "[20, 5_000]",
        "[20]",
        ":23: sections.Z1.size.clamp:",
        "[20] is not [min, max]",
        "clamp: [20, 500]",
    ),
    # words
    "unknown family": (
        "family: signal",
        "family: signals",
        ":2: family:",
        "'signals' is none of",
        "did you mean signal?",
    ),
    "unknown direction": (
        "direction: LONG",
        "direction: BOTH",
        ":3: direction:",
        "'BOTH' is none of LONG, SHORT",
        "write one of LONG, SHORT",
    ),
    "direction in lower case": (
        "direction: LONG",
        "direction: long",
        ":3: direction:",
        "'long' is none of",
        "did you mean LONG?",
    ),
    "unknown timeframe": ("timeframe: 1m", "timeframe: 2m", ":5: timeframe:", "'2m' is none of 1s, 1m", "write one of"),
    "unknown order type": (
        "type: limit",
        "type: limt",
        ":22: sections.Z1.order.type:",
        "'limt' is none of",
        "did you mean limit?",
    ),
    "unknown size": (
        "type: fixed",
        "type: kelly",
        ":23: sections.Z1.size.type:",
        "'kelly' is none of",
        "write one of fixed",
    ),
    "unknown stop": (
        STOP,
        "{type: magic}",
        ":25: sections.Z1.stop_loss:",
        "'magic' is not a type of stop loss",
        "write one of percent",
    ),
    "stop without a type": (STOP, "{value: 2}", ":25: sections.Z1.stop_loss:", "has no type", "types are percent"),
    "type of a stop that is a list": (
        STOP,
        "{type: [percent]}",
        ":25: sections.Z1.stop_loss:",
        "is not a type of stop loss",
        "write one of percent",
    ),
    "stop as a number": (STOP, "2", ":25: sections.Z1.stop_loss:", "2 is not a stop loss", "types are percent"),
    "unknown target": (
        TAKE,
        "{type: trailing, trail_pct: 1}",
        ":26: sections.Z1.take_profit:",
        "'trailing' is not a type of take profit",
        "write one of percent",
    ),
    "unknown trigger": (
        STOP,
        "{type: percent, value: 2, trigger: close}",
        ":25: sections.Z1.stop_loss.trigger:",
        "'close' is none of last, mark, touch",
        "write one of last",
    ),
    "unknown slippage": (
        "{type: none}",
        "{type: big}",
        ":34: costs.slippage:",
        "'big' is not a type of slippage",
        "write one of none",
    ),
    "slippage without its number": (
        "{type: none}",
        "{type: impact}",
        ":34: costs.slippage.coefficient:",
        "is missing",
        "write coefficient",
    ),
    # what is missing
    "no name": ("name: good_one\n", "", ":1: name:", "is missing", "write name: my_strategy"),
    "no timeframe": ("timeframe: 1m\n", "", ":1: timeframe:", "is missing", "write timeframe: 1m"),
    "no size": (f"    size: {SIZE}\n", "", ":20: sections.Z1.size:", "is missing", "write size: {type: fixed"),
    "no value of a size": (SIZE, "{type: fixed}", ":23: sections.Z1.size.value:", "is missing", "write value"),
    "no price of a stop": (STOP, "{type: absolute}", ":25: sections.Z1.stop_loss.price:", "is missing", "write price"),
    "no S1": ("  S1:\n    " + S1 + "\n", "", ":13: sections.S1:", "is missing", "write S1: {all: [...]}"),
    "empty Z1": (
        '    any: [{fast: "> slow"}, {not: {hour: between 40 80}}]\n',
        "",
        ":20: sections.Z1:",
        "is empty",
        "immediate: true",
    ),
    "both": (
        "    leverage: 2\n",
        "    immediate: true\n",
        ":20: sections.Z1:",
        "has conditions and immediate: true",
        "write conditions",
    ),
    "two trees": (
        "    timeout_s: 300\n",
        '    all: [{fast: "> 3"}]\n',
        ":16: sections.O1:",
        "has 2 trees (all, any)",
        "put them into one",
    ),
    # variants
    "unknown indicator": (
        "{type: ATR}",
        "{type: ATRR}",
        ":12: variants.atr.type:",
        "'ATRR' is not an indicator type",
        "did you mean ATR?",
    ),
    "indicator in lower case": (
        "{type: ATR}",
        "{type: atr}",
        ":12: variants.atr.type:",
        "'atr' is not an indicator type",
        "did you mean ATR?",
    ),
    "indicator as a list": (
        "{type: ATR}",
        "{type: [ATR]}",
        ":12: variants.atr.type:",
        "is not an indicator type",
        "lists the types",
    ),
    "no type": ("{type: ATR}", "{period: 5}", ":12: variants.atr.type:", "is missing", "{type: EMA, period: 10}"),
    "variant as a word": (
        "{type: ATR}",
        "ATR",
        ":12: variants.atr:",
        "'ATR' is not a variant",
        "{type: EMA, period: 10}",
    ),
    "variants as a list": (
        GOOD[GOOD.index("variants:") : GOOD.index("sections:")],
        "variants: [EMA]\n",
        ":7: variants:",
        "is not a mapping",
        "write a name, a colon",
    ),
    "unknown parameter": (
        "{type: EMA, period: 10}",
        "{type: EMA, perod: 10}",
        ":8: variants.fast.perod:",
        "is not a parameter of EMA",
        "did you mean period?",
    ),
    "parameter of another": (
        "{type: EMA, period: 10}",
        "{type: EMA, period: 10, fast: 3}",
        ":8: variants.fast.fast:",
        "is not a parameter of EMA",
        "EMA has period",
    ),
    "parameter out of bounds": (
        "period: 10}",
        "period: 0}",
        ":8: variants.fast.period:",
        "0 is not between 1 and 10_000",
        "write a whole number",
    ),
    "parameter as a fraction": (
        "period: 10}",
        "period: 10.5}",
        ":8: variants.fast.period:",
        "10.5 is not a whole number",
        "write a whole number",
    ),
    "parameter as text": (
        "period: 10}",
        "period: ten}",
        ":8: variants.fast.period:",
        "'ten' is not a whole number",
        "write a whole number",
    ),
    "parameter as infinity": (
        "period: 10}",
        "period: 1e400}",
        ":8: variants.fast.period:",
        "infinity is not between",
        "write a whole number",
    ),
    "unknown output": (
        "output: upper",
        "output: uper",
        ":10: variants.wide.output:",
        "'uper' is not an output of BOLLINGER",
        "did you mean upper?",
    ),
    "unknown timeframe of a variant": (
        "timeframe: 1h",
        "timeframe: 2h",
        ":11: variants.hour.timeframe:",
        "'2h' is not a timeframe",
        "write one of 1s",
    ),
    "timeframe that is no multiple": (
        "timeframe: 1h",
        "timeframe: 1s",
        ":11: variants.hour.timeframe:",
        "1s is not a multiple of the run's 1m",
        "write one of 5m",
    ),
    "timeframe as a list": (
        "timeframe: 1h",
        "timeframe: [1h]",
        ":11: variants.hour.timeframe:",
        "is not a timeframe",
        "write one of",
    ),
    "name of a tree as a variant": (
        "  atr: {type: ATR}",
        "  any: {type: ATR}",
        ":12: variants.any:",
        "cannot be the name of a variant",
        "begin with a letter",
    ),
    "number as a variant": (
        "  atr: {type: ATR}",
        "  5: {type: ATR}",
        ":12: variants.5:",
        "cannot be the name of a variant",
        "begin with a letter",
    ),
    # conditions
    "unknown variant on the left": (
        "{fast: crosses_above slow}",
        "{fats: crosses_above slow}",
        ":15: sections.S1.all.0.fats:",
        "'fats' is not a variant",
        "did you mean fast?",
    ),
    "unknown variant on the right": (
        "{fast: crosses_above slow}",
        "{fast: crosses_above slo}",
        ":15: sections.S1.all.0.fast:",
        "'slo' is not a variant",
        "did you mean slow?",
    ),
    "unknown variant in a stop": (
        STOP,
        "{type: atr, variant: art, multiple: 2}",
        ":25: sections.Z1.stop_loss.variant:",
        "'art' is not a variant",
        "did you mean atr?",
    ),
    "unknown variant in a target": (
        TAKE,
        "{type: indicator, variant: zzz}",
        ":26: sections.Z1.take_profit.variant:",
        "'zzz' is not a variant",
        "write one of fast, slow",
    ),
    "unknown variant as a price": (
        "price: close",
        "price: closs",
        ":22: sections.Z1.order.price:",
        "'closs' is not a variant",
        "write one of fast",
    ),
    "unknown variant of a scale": (
        "clamp: [20, 5_000]",
        "scale: {variant: risk, points: [[1, 1], [2, 2]]}",
        ":23: sections.Z1.size.scale.variant:",
        "'risk' is not a variant",
        "write one of fast",
    ),
    "unknown variant as confidence": (
        "capital: 100_000",
        "confidence: sure",
        ":6: confidence:",
        "'sure' is not a variant",
        "write one of fast",
    ),
    "variant as a number": (
        STOP,
        "{type: atr, variant: 5, multiple: 2}",
        ":25: sections.Z1.stop_loss.variant:",
        "5 is not the name of a variant",
        "write the name",
    ),
    "unknown operator": (
        '{hour: "< 70"}',
        '{hour: "=< 70"}',
        ":15: sections.S1.all.1.hour:",
        "does not begin with an operator",
        "did you mean",
    ),
    "misspelt operator": (
        "crosses_above",
        "cross_above",
        ":15: sections.S1.all.0.fast:",
        "does not begin with an operator",
        "did you mean crosses_above?",
    ),
    "comparison with nothing": (
        '{hour: "< 70"}',
        '{hour: "<"}',
        ":15: sections.S1.all.1.hour:",
        "< takes 1 value, not 0",
        "write an operator",
    ),
    "comparison with a number alone": (
        '{hour: "< 70"}',
        "{hour: 70}",
        ":15: sections.S1.all.1.hour:",
        "70 is not a comparison",
        "write an operator",
    ),
    "comparison with nan": (
        '{hour: "< 70"}',
        '{hour: "< nan"}',
        ":15: sections.S1.all.1.hour:",
        "nan is not a finite number",
        "write a finite number",
    ),
    "between one": (
        "between 40 80",
        "between 40",
        ":21: sections.Z1.any.1.not.hour:",
        "between takes 2 values, not 1",
        "between 40 80",
    ),
    "between the wrong way round": (
        "between 40 80",
        "between 80 40",
        ":21: sections.Z1.any.1.not.hour:",
        "80 is above 40",
        "lower bound first",
    ),
    "in nothing": (
        "between 40 80",
        "in",
        ":21: sections.Z1.any.1.not.hour:",
        "in takes 1 to 30 values, not 0",
        "in [1, 2, 3]",
    ),
    "in many": (
        "between 40 80",
        '"in ' + " ".join(map(str, range(40))) + '"',
        ":21: sections.Z1.any.1.not.hour:",
        "in takes 1 to 30 values, not 40",
        "in [1, 2, 3]",
    ),
    "in variants": (
        "between 40 80",
        '"in slow"',
        ":21: sections.Z1.any.1.not.hour:",
        "in takes numbers",
        "in [1, 2, 3]",
    ),
    "two variants in one condition": (
        '{hour: "< 70"}',
        '{hour: "< 70", fast: "> 1"}',
        ":15: sections.S1.all.1:",
        "a condition has one key, not 2",
        "make each key an entry",
    ),
    "condition that is none": (
        '{hour: "< 70"}',
        "hour",
        ":15: sections.S1.all.1:",
        "'hour' is not a condition",
        "write for example",
    ),
    "empty all": (S1, "all: []", ":15: sections.S1.all:", "has no condition", "write at least one"),
    "all of nothing": (S1, "all: 5", ":15: sections.S1.all:", "5 is not a list of conditions", "write at least one"),
    "seq of one": (
        '[{fast: "> slow"}, {fast: "< slow"}], 600',
        '[{fast: "> slow"}], 600',
        ":28: sections.ZE1.seq:",
        "1 steps are not 2 to 8",
        "write seq",
    ),
    "seq without a gap": (
        "], 600]",
        "]]",
        ":28: sections.ZE1.seq:",
        "seq has a list of conditions and the largest gap",
        "write seq",
    ),
    "hold without seconds": (
        '"< slow"}, 60]',
        '"< slow"}]',
        ":18: sections.O1.any.0.hold:",
        "hold has a condition and a number of seconds",
        "write hold",
    ),
    "hold of no time": (
        '"< slow"}, 60]',
        '"< slow"}, 0]',
        ":18: sections.O1.any.0.hold.1:",
        "0 is not a number of seconds",
        "above 0",
    ),
    "hold of true": (
        '"< slow"}, 60]',
        '"< slow"}, true]',
        ":18: sections.O1.any.0.hold.1:",
        "true is not a number of seconds",
        "above 0",
    ),
    "tree that is too wide": (
        S1,
        "all: [" + ", ".join(['{fast: "> 1"}'] * 31) + "]",
        ":15: sections.S1.all:",
        "31 values at once, more than 30",
        "shorter lists",
    ),
    "tree that is too deep": (
        S1,
        "not: " + "{not: " * 60 + '{fast: "> 1"}' + "}" * 60,
        ":15:",
        "50 levels",
        "write fewer values",
    ),
    # what contradicts itself
    "market that is post_only": (
        "type: limit, price: close, offset_bps: -5",
        "type: market, post_only: true",
        ":22: sections.Z1.order.post_only:",
        "a market order has no post_only",
        "write type: limit",
    ),
    "market with a price": (
        "type: limit, price: close, offset_bps: -5",
        "type: market, price: 5",
        ":22: sections.Z1.order.price:",
        "a market order has no price",
        "write type: limit",
    ),
    "stop that is post_only": (
        "type: limit,",
        "type: stop, post_only: true,",
        ":22: sections.Z1.order.post_only:",
        "a stop order cannot be post_only",
        "write type: limit",
    ),
    "post_only at once": (
        "ttl_s: 120",
        "post_only: true, tif: IOC",
        ":22: sections.Z1.order.tif:",
        "post_only and IOC exclude each other",
        "write GTC",
    ),
    "IOC with a time": (
        "ttl_s: 120",
        "ttl_s: 120, tif: IOC",
        ":22: sections.Z1.order.ttl_s:",
        "an order that is IOC does not wait",
        "remove ttl_s",
    ),
    "GTT without a time": ("ttl_s: 120", "tif: GTT", ":22: sections.Z1.order.ttl_s:", "GTT needs a time", "ttl_s: 60"),
    "quotes on bars": (
        "price: close",
        "price: best_bid",
        ":22: sections.Z1.order.price:",
        "best_bid needs quotes, and bars have none",
        "write close",
    ),
    "limit beside the price": (
        "ttl_s: 120",
        "limit_offset_bps: 5",
        ":22: sections.Z1.order.limit_offset_bps:",
        "a limit order has no limit beside its price",
        "stop_limit",
    ),
    "stop beyond liquidation": (
        STOP,
        "{type: percent, value: 60}",
        ":25: sections.Z1.stop_loss.value:",
        "60 % lies beyond the liquidation price at leverage 2",
        "write less than 49.5",
    ),
    "trailing without a form": (
        STOP,
        "{type: trailing, arm_pct: 5}",
        ":25: sections.Z1.stop_loss:",
        "arm_pct and trail_pct, or variant and multiple",
        "{variant: atr, multiple: 3}",
    ),
    "trailing with both forms": (
        STOP,
        "{type: trailing, trail_pct: 5, variant: atr, multiple: 2}",
        ":25: sections.Z1.stop_loss:",
        "arm_pct and trail_pct, or variant and multiple",
        "{variant: atr, multiple: 3}",
    ),
    "ladder of too much": (
        "[2, 50]",
        "[2, 60]",
        ":26: sections.Z1.take_profit:",
        "add up to more than 100",
        "100 or less",
    ),
    "ladder downwards": (
        "[[1, 50], [2, 50]]",
        "[[2, 50], [1, 50]]",
        ":26: sections.Z1.take_profit.steps:",
        "not in ascending order",
        "order them",
    ),
    "ladder of one number": (
        "[[1, 50], [2, 50]]",
        "[5]",
        ":26: sections.Z1.take_profit.steps:",
        "5 is not a pair of numbers",
        "write steps",
    ),
    "ladder of nothing": (
        "[[1, 50], [2, 50]]",
        "[]",
        ":26: sections.Z1.take_profit.steps:",
        "has 0 entries, not 1 to 8",
        "write steps",
    ),
    "ladder with text": (
        "[2, 50]",
        '[2, "50"]',
        ":26: sections.Z1.take_profit.steps:",
        "'50' is not a number",
        "write a number above 0",
    ),
    "ladder without its base": (
        "of: percent",
        "of: pump_retracement",
        ":26: sections.Z1.take_profit:",
        "needs the price at which the pump began",
        "write base",
    ),
    "short that gains all": (
        "direction: LONG",
        "direction: SHORT\nconfidence: 1\n",
        ":28: sections.Z1.take_profit.steps:",
        "a short cannot gain 150 %",
        "below 100",
    ),
    "scale in one point": (
        "clamp: [20, 5_000]",
        "scale: {variant: atr, points: [[1, 1]]}",
        ":23: sections.Z1.size.scale.points:",
        "has 1 entries, not 2 to 8",
        "write points",
    ),
    "risk without a stop": (
        f"    size: {SIZE}\n    leverage: 2\n    stop_loss: {STOP}\n",
        "    size: {type: risk, value: 1}\n",
        ":23: sections.Z1.size.type:",
        "risk needs a stop_loss",
        "another type of size",
    ),
    "reward without a stop": (
        f"    stop_loss: {STOP}\n",
        "    # none\n",
        ":35: limits.min_risk_reward:",
        "needs a stop_loss and a take_profit",
        "write both",
    ),
    "feed of ticks": (
        "capital: 100_000",
        "feed: [trades, quotes]",
        ":5: timeframe:",
        "belongs to bars, and this strategy has a feed of ticks",
        "remove one of the two",
    ),
    "latency of ticks": (
        "capital: 100_000",
        "latency: {submit_ms: 5}",
        ":6: latency:",
        "bars have no latency",
        "remove the key",
    ),
    "feed of nobody": (
        "timeframe: 1m",
        "feed: [candles]",
        ":5: feed:",
        "'candles' is none of trades, quotes",
        "write feed",
    ),
    # instruments
    "instrument without a venue": (
        "binance:BTCUSDT-perp",
        "BTCUSDT-perp",
        ":4: instruments.0:",
        "is not venue:SYMBOL-market",
        "binance:BTCUSDT-perp",
    ),
    "instrument of no market": (
        "BTCUSDT-perp",
        "BTCUSDT-swap",
        ":4: instruments.0:",
        "'swap' is not a market",
        "binance:BTCUSDT-spot",
    ),
    "instrument with a blank": (
        "binance:BTC",
        "binance: BTC",
        ":4: instruments.0:",
        "is not an instrument",
        "without a blank",
    ),
    "instrument twice": (
        "BTCUSDT-perp]",
        "BTCUSDT-perp, binance:BTCUSDT-perp]",
        ":4: instruments.1:",
        "is named twice",
        "once",
    ),
    "instruments by the hundred": (
        "[binance:BTCUSDT-perp]",
        "[" + ", ".join(f"x:A{k}-perp" for k in range(300)) + "]",
        ":4: instruments:",
        "300 instruments are more than the 256",
        "run them separately",
    ),
    # YAML
    "tab": ("  S1:\n", "\tS1:\n", ":14:", "a tab indents this line", "indent with spaces"),
    "bracket": ("[[1, 50], [2, 50]]", "[[1, 50], [2, 50]", ":", "is not YAML", "check quotes, brackets"),
    "key twice": (
        "capital: 100_000",
        "capital: 1\ncapital: 2",
        ":7: capital:",
        "is written twice (first in line 6)",
        "keep one",
    ),
    "key twice in a flow": (
        "period: 10}",
        "period: 10, period: 12}",
        ":8: variants.fast.period:",
        "is written twice",
        "keep one",
    ),
    "second document": ("capital: 100_000\n", "---\n", ":", "", "keep one document"),
    "tag": (
        "capital: 100_000",
        "capital: !!python/object:os.system 5",
        ":6: capital:",
        "means nothing here",
        "without a tag",
    ),
    "two colons": ("capital: 100_000", "capital: : 5", ":6:", "is not YAML", "check quotes"),
    "operator without quotes": (
        '{hour: "< 70"}',
        "{hour: > 70}",
        ":15: hour:",
        "> 70 without",
        'quote it: hour: "> 70"',
    ),
    "operator against a variant": ('{hour: "< 70"}', "{hour: >= fast}", ":15: hour:", ">= fast", 'hour: ">= fast"'),
    "operator that is a tag": ('{hour: "< 70"}', "{hour: != 70}", ":15: ", "!= 70 without quotes", 'quote it: "!= 70"'),
}
BAD = {name: Bad(*entry) for name, entry in BAD.items()}
EXTRA = {  # changes that need a second one beside them
    "reward without a stop": ("limits: {", "limits: {min_risk_reward: 2, "),
    "short that gains all": ("[2, 50]", "[150, 50]"),
}


def mutated(name: str) -> str:
    """The good file with one thing wrong."""
    bad = BAD[name]
    assert GOOD.count(bad.old) >= 1, f"{name}: the good file has no {bad.old!r}"
    text = GOOD.replace(bad.old, bad.new, 1)
    if name in EXTRA:
        text = text.replace(*EXTRA[name], 1)
    return text
