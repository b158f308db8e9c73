"""Random strategies and nasty random markets for the differential test: one seed, one case, the same everywhere."""

import random
from dataclasses import dataclass
from typing import Any

from differential.domain import STEPS_NS
from differential.indicators import Bar

START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
FUNDING_NS = 8 * STEPS_NS["1h"]
MULTIPLES = {"1m": "5m", "5m": "15m", "15m": "1h", "1h": "4h", "4h": "1d"}


@dataclass
class Case:
    """Strategies as mappings of their files, bars, funding and rules by instrument."""

    seed: int
    strategies: list[dict[str, Any]]
    bars: dict[str, list[Bar]]
    rates: dict[str, list[tuple[int, float]]]
    rules: dict[str, dict[str, Any]]


class _Dice(random.Random):
    def chance(self, share: float) -> bool:
        return self.random() < share

    def one_of(self, *values: Any) -> Any:
        return self.choice(values)


def make_case(seed: int) -> Case:
    """The case of a seed."""
    dice = _Dice(f"differential {seed}")
    timeframe = dice.one_of("1m", "5m", "15m", "1h", "1h", "4h")
    step_ns = STEPS_NS[timeframe]
    kind = dice.choices(("perp", "spot", "margin"), (7, 2, 1))[0]
    count = dice.choices((1, 2, 3), (5, 3, 2))[0]
    market = "perp" if kind == "perp" else "spot"
    names = [f"test:{letter * 3}USDT-{market}" for letter in "ABC"[:count]]
    first_ns = START_NS + dice.one_of(0, 0, 0, dice.randrange(24)) * STEPS_NS["1h"]
    rules = {name: _rules(dice, kind) for name in names}
    bars = {name: _bars(dice, first_ns, step_ns, rules[name]) for name in names}
    rates = {name: _rates(dice, bars[name], step_ns) for name in names if market == "perp" and dice.chance(0.5)}
    total = dice.choices((1, 2, 3), (6, 3, 1))[0]
    account = _account(dice)
    confident = dice.chance(0.2)
    strategies = [
        _strategy(dice, place, names, timeframe, kind, account, bars, confident) for place in range(total)
    ]  # fmt: skip
    used = {name for own in strategies for name in own["instruments"]}
    return Case(
        seed,
        strategies,
        {name: rows for name, rows in bars.items() if name in used},
        {name: rows for name, rows in rates.items() if name in used},
        rules,
    )


# Markets


def _rules(dice: _Dice, kind: str) -> dict[str, Any]:
    rules: dict[str, Any] = {"price_increment": dice.one_of(0.0, 0.25, 0.5, 0.5, 1.0)}
    rules["lot_size"] = dice.one_of(0.0, 0.0, 0.001, 0.25, 1.0)
    if dice.chance(0.2):
        rules["contract_size"] = dice.one_of(0.01, 0.5, 10.0)
    if dice.chance(0.3):
        rules |= {"taker_bps": dice.one_of(0.0, 4.0, 25.0), "maker_bps": dice.one_of(-1.0, 0.0, 3.0)}
    if dice.chance(0.15):
        rules["min_notional"] = dice.one_of(50.0, 500.0)
    if kind == "margin":
        rules["margin"] = True
    if kind != "spot" and dice.chance(0.4):
        rules["margin_tiers"] = [
            {"notional_max": dice.one_of(800, 2_000, 6_000), "maintenance_pct": 0.4, "leverage_max": 50},
            {"notional_max": 20_000, "maintenance_pct": dice.one_of(1.0, 2.5), "leverage_max": 20},
            {"maintenance_pct": 5.0, "leverage_max": 8},
        ]
    return rules


def _bars(dice: _Dice, first_ns: int, step_ns: int, rules: dict[str, Any]) -> list[Bar]:
    """A random walk on a coarse grid, so that prices meet orders exactly; gaps, holes, flat and empty bars in it."""
    count = dice.randrange(60, 300)
    grid = rules["price_increment"] or dice.one_of(0.25, 0.5, 1 / 64)
    level = round(dice.one_of(20, 100, 100, 400) / grid)
    wild = dice.one_of(0.004, 0.01, 0.03)
    hole = dice.one_of(0.0, 0.0, 0.02, 0.1)
    gap, flat, jump = dice.one_of(0.0, 0.1, 0.4), dice.one_of(0.0, 0.1), dice.one_of(0.0, 0.01, 0.05)
    ts_ns = first_ns + dice.one_of(0, 0, dice.randrange(30)) * step_ns
    drift = dice.uniform(-0.1, 0.1)
    rows = []
    for _ in range(count):
        if not dice.chance(hole):
            size = max(1.0, level * wild)
            if dice.chance(jump):
                level = max(2, round(level * dice.uniform(0.7, 1.35)))
            elif dice.chance(gap):
                level = max(2, level + round(dice.gauss(0, 1.5) * size))
            opened = level
            if not dice.chance(flat):
                level = max(2, level + round(dice.gauss(drift, 1.0) * size))
            low = max(1, min(opened, level) - dice.one_of(0, round(abs(dice.gauss(0, 1.0)) * size)))
            high = max(opened, level) + dice.one_of(0, round(abs(dice.gauss(0, 1.0)) * size))
            if opened == level and dice.chance(0.5):
                low = high = level
            volume = dice.one_of(0.0, 10.0, 1000.0, float(dice.randrange(1, 5000)))
            rows.append(Bar(ts_ns, *(round(own * grid, 10) for own in (opened, high, low, level)), volume))
        ts_ns += step_ns
    return rows or [Bar(ts_ns, 100.0, 100.0, 100.0, 100.0, 1.0)]


def _rates(dice: _Dice, bars: list[Bar], step_ns: int) -> list[tuple[int, float]]:
    every_ns = dice.one_of(STEPS_NS["1h"], 4 * STEPS_NS["1h"], FUNDING_NS)
    first_ns = bars[0].ts_ns - bars[0].ts_ns % FUNDING_NS - FUNDING_NS
    last_ns = bars[-1].ts_ns + step_ns + FUNDING_NS
    return [
        (ts_ns + dice.one_of(0, 0, 0, 300_000_000), round(dice.gauss(0, 0.001), 6))
        for ts_ns in range(first_ns, last_ns, every_ns)
    ]


# Strategies


def _account(dice: _Dice) -> dict[str, Any]:
    off: dict[str, Any] = dict.fromkeys(
        ("max_position_pct", "max_positions", "max_symbol_pct", "daily_loss_pct", "max_drawdown_pct", "max_margin_pct")
    )
    style = dice.choices(("defaults", "off", "research", "some"), (1, 3, 3, 3))[0]
    if style == "defaults":
        return {}
    if style == "off":
        return off | {"max_leverage": 20}
    if style == "research":
        return {"max_position_pct": None, "max_positions": None, "max_symbol_pct": None, "max_leverage": 20}
    own = off | {"max_leverage": dice.one_of(5, 20)}
    own |= {
        "max_position_pct": dice.one_of(None, 20, 60),
        "max_positions": dice.one_of(None, 1, 2),
        "max_symbol_pct": dice.one_of(None, 30, 100),
        "daily_loss_pct": dice.one_of(None, 1, 5),
        "max_drawdown_pct": dice.one_of(None, 5, 15),
        "max_margin_pct": dice.one_of(None, 20, 80),
        "max_order_notional": dice.one_of(None, None, 3_000),
        "price_band_pct": dice.one_of(None, None, 1),
        "max_portfolio_pct": dice.one_of(None, None, 50),
    }
    return own


def _variants(dice: _Dice, timeframe: str) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {
        "px": {"type": "PRICE"},
        "low": {"type": "PRICE", "output": "low"},
        "high": {"type": "PRICE", "output": "high"},
        "volume": {"type": "PRICE", "output": "volume"},
        "fast": {"type": dice.one_of("EMA", "SMA"), "period": dice.randrange(1, 6)},
        "slow": {"type": dice.one_of("EMA", "SMA"), "period": dice.randrange(4, 20)},
        "range": {"type": "ATR", "period": dice.randrange(1, 10)},
        "upper": {"type": "DONCHIAN", "period": dice.randrange(1, 12), "output": "upper"},
        "lower": {"type": "DONCHIAN", "period": dice.randrange(1, 12), "output": "lower"},
        "middle": {"type": "DONCHIAN", "period": dice.randrange(1, 12), "output": "middle"},
        "rsi": {"type": "RSI", "period": dice.randrange(2, 10)},
        "roc": {"type": "ROC", "period": dice.randrange(1, 8)},
    }
    for name in ("fast", "slow", "range", "upper", "rsi"):
        if dice.chance(0.1):
            own[name]["timeframe"] = MULTIPLES[timeframe]
    return own


def _condition(dice: _Dice) -> dict[str, Any]:
    cross = dice.one_of("crosses_above", "crosses_below")
    order = dice.one_of(">", ">=", "<", "<=")
    return dice.one_of(
        {"fast": f"{cross} slow"},
        {"px": f"{cross} {dice.one_of('fast', 'slow', 'middle')}"},
        {"px": f"{order} {dice.one_of('fast', 'slow', 'middle')}"},
        {"px": f"{dice.one_of('>=', '>')} upper"},
        {"px": f"{dice.one_of('<=', '<')} lower"},
        {"rsi": f"{order} {dice.randrange(20, 80)}"},
        {"rsi": f"{cross} {dice.randrange(20, 80)}"},
        {"rsi": f"between {dice.randrange(10, 50)} and {dice.randrange(50, 90)}"},
        {"roc": f"{order} {dice.one_of(-2, -1, 0, 1, 2)}"},
        {"volume": f"{dice.one_of('==', '!=')} {dice.one_of(0, 10, 1000)}"},
        {"volume": f"in [{dice.one_of(0, 10)}, 1000]"},
    )


def _tree(dice: _Dice, depth: int, step_s: float) -> dict[str, Any]:
    kind = dice.choices(("leaf", "all", "any", "not", "hold", "seq"), (6, 2, 2, 1, 1, 1))[0] if depth else "leaf"
    if kind == "leaf":
        return _condition(dice)
    if kind in ("all", "any"):
        return {kind: [_tree(dice, depth - 1, step_s) for _ in range(dice.randrange(1, 3))]}
    if kind == "not":
        return {"not": _tree(dice, depth - 1, step_s)}
    if kind == "hold":
        return {"hold": [_condition(dice), dice.one_of(0.5, 1, 2, 3) * step_s]}
    parts = [_condition(dice) for _ in range(dice.randrange(2, 4))]
    return {"seq": [parts, dice.one_of(1, 3, 10) * step_s]}


def _section(dice: _Dice, step_s: float, chance_of_all: float = 0.5) -> dict[str, Any]:
    tree = _tree(dice, 2, step_s)
    if set(tree) <= {"all", "any", "not", "hold", "seq"}:
        return tree
    return {"all" if dice.chance(chance_of_all) else "any": [tree]}


def _stop(dice: _Dice, side: int, price: float, leverage: float) -> dict[str, Any] | None:
    """A stop of any type; most lie before the liquidation price, some do not."""
    room = 100.0 / leverage
    pct = dice.one_of(0.5, 1, 2, 5, round(0.7 * room, 2))
    pct = min(pct, round(0.8 * room, 2))
    kind = dice.choices(
        ("none", "percent", "absolute", "indicator", "atr", "trail", "armed", "by_variant", "peak"),
        (2, 5, 1, 1, 2, 2, 2, 2, 1),
    )[0]
    of = {"of": dice.one_of("entry", "signal")} if dice.chance(0.4) else {}
    return {
        "none": None,
        "percent": {"type": "percent", "value": pct} | of,
        "absolute": {"type": "absolute", "price": round(price * (1 - side * dice.uniform(-0.02, 0.1)) * 2) / 2},
        "indicator": {
            "type": "indicator",
            "variant": "low" if side > 0 else "high",
            "offset_pct": dice.one_of(0, 0.5, 1),
        },
        "atr": {"type": "atr", "variant": "range", "multiple": dice.one_of(0.5, 1, 2, 4)} | of,
        "trail": {"type": "trailing", "trail_pct": pct},
        "armed": {"type": "trailing", "trail_pct": pct, "arm_pct": dice.one_of(0.5, 1, 3)},
        "by_variant": {"type": "trailing", "variant": "range", "multiple": dice.one_of(0.5, 1, 2, 4)},
        "peak": {"type": "peak", "buffer_pct": dice.one_of(0.5, 1, 4)},
    }[kind]


def _target(dice: _Dice, side: int, price: float) -> dict[str, Any] | None:
    kind = dice.choices(
        ("none", "percent", "absolute", "indicator", "atr", "ladder", "retracement"), (3, 4, 1, 1, 2, 3, 1)
    )[0]
    of = {"of": dice.one_of("entry", "signal")} if dice.chance(0.4) else {}
    rungs = sorted(dice.sample((0.5, 1, 1.5, 2, 3, 5, 8), dice.randrange(1, 4)))
    shares = dice.one_of((30, 30, 40), (50, 25, 25), (30, 30, 20), (10, 20, 30))
    return {
        "none": None,
        "percent": {"type": "percent", "value": dice.one_of(0.5, 1, 2, 3, 6)} | of,
        "absolute": {"type": "absolute", "price": round(price * (1 + side * dice.uniform(-0.01, 0.1)) * 2) / 2},
        "indicator": {
            "type": "indicator",
            "variant": "high" if side > 0 else "low",
            "offset_pct": dice.one_of(0, 0.5, 1),
        },
        "atr": {"type": "atr", "variant": "range", "multiple": dice.one_of(0.5, 1, 2, 4)} | of,
        "ladder": {"type": "ladder", "of": "percent", "steps": [list(s) for s in zip(rungs, shares, strict=False)]},
        "retracement": {
            "type": "ladder",
            "of": "pump_retracement",
            "base": "upper" if side > 0 else "lower",
            "steps": [list(s) for s in zip((30, 50, 80), shares, strict=True)],
        },
    }[kind]


def _order(dice: _Dice, side: int, step_s: float) -> dict[str, Any]:
    kind = dice.choices(("market", "limit", "stop", "stop_limit"), (5, 3, 2, 2))[0]
    order: dict[str, Any] = {"type": kind}
    if kind == "market":
        return order
    toward = {"limit": -side, "stop": side, "stop_limit": side}[kind]
    order["price"] = dice.choices(("close", "fast", "upper" if toward > 0 else "lower"), (6, 1, 1))[0]
    order["offset_bps"] = toward * dice.one_of(0, 0, 10, 50, 100, 200) * (-1 if dice.chance(0.1) else 1)
    if kind == "stop_limit":
        order["limit_offset_bps"] = dice.one_of(0, 5, 50, 200)
    if dice.chance(0.5):
        order["ttl_s"] = dice.one_of(0.5, 1, 1.5, 3, 10) * step_s
        if dice.chance(0.3):
            order["tif"] = "GTT"
    if kind == "limit":
        if dice.chance(0.2):
            order["post_only"] = True
        elif "ttl_s" not in order and dice.chance(0.25):
            order["tif"] = dice.one_of("IOC", "FOK")
    return order


def _size(dice: _Dice, price: float, capital: float, stop: dict[str, Any] | None) -> dict[str, Any]:
    kinds = ["fixed", "units", "percentage"]
    if stop and not (stop["type"] == "trailing" and "arm_pct" in stop):
        kinds.append("risk")
    kind = dice.choice(kinds)
    share = dice.one_of(0.02, 0.08, 0.3, 0.9, 1.5)
    size: dict[str, Any] = {
        "fixed": {"type": "fixed", "value": round(capital * share)},
        "units": {"type": "units", "value": round(capital * share / price, 2) or 1},
        "percentage": {"type": "percentage", "value": dice.one_of(2, 10, 50, 100)},
        "risk": {"type": "risk", "value": dice.one_of(0.2, 1, 3)},
    }[kind]
    if dice.chance(0.2):
        size["clamp"] = [round(capital * 0.01), round(capital * dice.one_of(0.05, 0.5, 2))]
    if dice.chance(0.1):
        size["scale"] = {"variant": "rsi", "points": [[20, 1.2], [70, 0.55]]}
    return size


def _limits(dice: _Dice, step_s: float, has_both: bool) -> dict[str, Any]:
    step_min = step_s / 60
    own = {
        "max_concurrent_positions": dice.one_of(1, 2),
        "max_daily_trades": dice.one_of(1, 2, 5),
        "max_losses_in_row": dice.one_of(1, 2),
        "loss_cooldown_min": dice.one_of(0.5, 3, 10) * step_min,
        "max_hold_min": dice.one_of(0.5, 1, 2.5, 3, 10) * step_min,
        "daily_loss_pct": dice.one_of(0.5, 2),
    }
    chances = dict.fromkeys(own, 0.15) | {"max_hold_min": 0.3}
    found = {name: value for name, value in own.items() if dice.chance(chances[name])}
    if has_both and dice.chance(0.3):
        found["min_risk_reward"] = dice.one_of(0.5, 1, 2)
    return found


def _costs(dice: _Dice) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if dice.chance(0.6):
        own |= {"taker_bps": dice.one_of(0, 5, 20), "maker_bps": dice.one_of(0, 2)}
    slippage = dice.choices(("none", "fixed", "impact"), (5, 3, 1))[0]
    if slippage == "fixed":
        own["slippage"] = {"type": "fixed", "bps": dice.one_of(1, 5, 20)}
    if slippage == "impact":
        own["slippage"] = {"type": "impact", "half_spread_bps": 2, "coefficient": dice.one_of(5, 30)}
    if dice.chance(0.25):
        own["funding"] = "off"
    return own


def _strategy(
    dice: _Dice,
    place: int,
    names: list[str],
    timeframe: str,
    kind: str,
    account: dict[str, Any],
    bars: dict[str, list[Bar]],
    confident: bool,
) -> dict[str, Any]:
    step_s = STEPS_NS[timeframe] / 1e9
    side = 1 if kind == "spot" or dice.chance(0.5) else -1
    most = account.get("max_leverage", 10)
    leverage = 1 if kind == "spot" else dice.choice([own for own in (1, 1, 2, 3, 5, 10, 15, 20) if own <= most])
    price = bars[names[0]][0].close
    capital = dice.one_of(1_000, 10_000)
    stop, target = _stop(dice, side, price, leverage), _target(dice, side, price)
    z1: dict[str, Any] = {"immediate": True} if dice.chance(0.6) else _section(dice, step_s)
    z1 |= {"order": _order(dice, side, step_s), "size": _size(dice, price, capital, stop), "leverage": leverage}
    if stop:
        z1["stop_loss"] = stop
    if target:
        z1["take_profit"] = target
    sections: dict[str, Any] = {"S1": _section(dice, step_s, 0.3), "Z1": z1}
    if dice.chance(0.6):
        sections["O1"] = _section(dice, step_s) if dice.chance(0.6) else {}
        if dice.chance(0.5):
            sections["O1"]["timeout_s"] = dice.one_of(0.5, 2, 5) * step_s
        if dice.chance(0.5) or not sections["O1"]:
            sections["O1"]["cooldown_min"] = dice.one_of(1, 2.5, 6) * step_s / 60
    for name, chance in (("ZE1", 0.7), ("E1", 0.4)):
        if dice.chance(chance):
            sections[name] = _section(dice, step_s)
            if dice.chance(0.4):
                sections[name]["cooldown_min"] = dice.one_of(1, 2.5, 6) * step_s / 60
    can_compare = bool(stop and target) and not (stop and stop["type"] == "trailing" and "arm_pct" in stop)
    own = {
        "name": f"strategy {place}",
        "family": "signal",
        "direction": "LONG" if side > 0 else "SHORT",
        "instruments": dice.sample(names, dice.randrange(1, len(names) + 1)),
        "timeframe": timeframe,
        "capital": capital,
        "variants": _variants(dice, timeframe),
        "sections": sections,
        "costs": _costs(dice),
        "limits": _limits(dice, step_s, can_compare),
        "account": account,
    }
    if confident:
        own["confidence"] = dice.one_of("px", "rsi", "slow")
    return own
