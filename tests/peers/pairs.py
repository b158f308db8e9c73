"""Strategies written twice: as a file of ours and as a description for the peer's runner."""

from dataclasses import dataclass
from random import Random
from typing import Any

CLOSE = ("close",)


@dataclass(frozen=True)
class Pair:
    """One strategy. ``variants``, ``entry``, ``leave`` are ours; ``peer`` is what run_peer.py reads."""

    name: str
    side: int
    variants: str
    entry: str
    leave: str | None
    peer: dict[str, Any]
    stop_pct: float | None = None
    target_pct: float | None = None
    of: str = "entry"

    def text(self, instrument: str, timeframe: str) -> str:
        """Our strategy file: one unit, no costs, no funding, no limit that could refuse an order."""
        z1 = ["immediate: true", "order: {type: market}", "size: {type: units, value: 1}", "leverage: 1"]
        if self.stop_pct is not None:
            z1.append(f"stop_loss: {{type: percent, value: {self.stop_pct!r}, of: {self.of}}}")
        if self.target_pct is not None:
            z1.append(f"take_profit: {{type: percent, value: {self.target_pct!r}, of: {self.of}}}")
        leave = f"  ZE1: {{all: [{self.leave}], cooldown_min: 0}}\n" if self.leave else ""
        return f"""\
name: {self.name}
family: signal
direction: {"LONG" if self.side > 0 else "SHORT"}
instruments: ["{instrument}"]
timeframe: {timeframe}
capital: 1_000_000_000
variants:
{self.variants}
sections:
  S1:  {{all: [{self.entry}]}}
  Z1:  {{{", ".join(z1)}}}
{leave}costs: {{taker_bps: 0, maker_bps: 0, slippage: {{type: none}}, funding: "off"}}
account: {{max_position_pct: null, max_positions: null, max_symbol_pct: null, daily_loss_pct: null,
          max_drawdown_pct: null, max_margin_pct: null, max_leverage: null}}
"""

    def job(self, bars: str, *, fills_on_touch: bool = False) -> dict[str, Any]:
        """The same for the peer, on bars in a Parquet file."""
        return {
            **self.peer, "bars": bars, "side": self.side, "stop_pct": self.stop_pct, "target_pct": self.target_pct,
            "of": self.of, "fills_on_touch": fills_on_touch,
        }  # fmt: skip


def _column(function: str, inputs: tuple[str, ...] = CLOSE, output: int = 0, shift: int = 0, **values: Any) -> Any:
    return {"function": function, "inputs": inputs, "output": output, "shift": shift, "parameters": values}


def ema_cross(fast: int = 10, slow: int = 50, *, side: int = 1, **protection: Any) -> Pair:
    into, out = ("crosses_above", "crosses_below") if side > 0 else ("crosses_below", "crosses_above")
    return Pair(
        f"ema_cross_{'long' if side > 0 else 'short'}", side,
        f"  fast: {{type: EMA, period: {fast}}}\n  slow: {{type: EMA, period: {slow}}}",
        f"{{fast: {into} slow}}", f"{{fast: {out} slow}}",
        {
            "columns": {"fast": _column("EMA", timeperiod=fast), "slow": _column("EMA", timeperiod=slow)},
            "entry": [["fast", into, "slow"]], "exit": [["fast", out, "slow"]],
        },
        **protection,
    )  # fmt: skip


def rsi_reversion(period: int = 14, into: float = 30.0, out: float = 50.0, *, side: int = 1, **protection: Any) -> Pair:
    """Long below ``into`` until above ``out``; short mirrors both at 50."""
    if side < 0:
        into, out = 100.0 - into, 100.0 - out
    first, last = ("<", ">") if side > 0 else (">", "<")
    return Pair(
        f"rsi_reversion_{'long' if side > 0 else 'short'}", side, f"  rsi: {{type: RSI, period: {period}}}",
        f'{{rsi: "{first} {into!r}"}}', f'{{rsi: "{last} {out!r}"}}',
        {
            "columns": {"rsi": _column("RSI", timeperiod=period)},
            "entry": [["rsi", first, into]], "exit": [["rsi", last, out]],
        },
        **protection,
    )  # fmt: skip


def macd_cross(fast: int = 12, slow: int = 26, signal: int = 9, **protection: Any) -> Pair:
    periods = f"fast: {fast}, slow: {slow}, signal: {signal}"
    own = {"fastperiod": fast, "slowperiod": slow, "signalperiod": signal}
    return Pair(
        "macd_cross", 1,
        f"  macd: {{type: MACD, {periods}, output: macd}}\n  signal: {{type: MACD, {periods}, output: signal}}",
        "{macd: crosses_above signal}", "{macd: crosses_below signal}",
        {
            "columns": {"macd": _column("MACD", **own), "signal": _column("MACD", output=1, **own)},
            "entry": [["macd", "crosses_above", "signal"]], "exit": [["macd", "crosses_below", "signal"]],
        },
        **protection,
    )  # fmt: skip


def bollinger_fade(period: int = 20, deviations: float = 2.0, **protection: Any) -> Pair:
    bands = f"type: BOLLINGER, period: {period}, deviations: {deviations!r}"
    own = {"timeperiod": period, "nbdevup": deviations, "nbdevdn": deviations}
    return Pair(
        "bollinger_fade_short", -1,
        f"  price: {{type: PRICE, output: close}}\n  upper: {{{bands}, output: upper}}\n"
        f"  middle: {{{bands}, output: middle}}",
        '{price: "> upper"}', '{price: "< middle"}',
        {
            "columns": {
                "upper": _column("BBANDS", **own),
                "middle": _column("BBANDS", output=1, **own),
            },
            "entry": [["close", ">", "upper"]], "exit": [["close", "<", "middle"]],
        },
        **protection,
    )  # fmt: skip


def donchian_breakout(period: int = 20, **protection: Any) -> Pair:
    channel = f"type: DONCHIAN, period: {period}"
    return Pair(
        "donchian_breakout", 1,
        f"  price: {{type: PRICE, output: close}}\n  upper: {{{channel}, output: upper}}\n"
        f"  lower: {{{channel}, output: lower}}",
        '{price: "> upper"}', '{price: "< lower"}',
        {
            "columns": {
                "upper": _column("MAX", ("high",), shift=1, timeperiod=period),
                "lower": _column("MIN", ("low",), shift=1, timeperiod=period),
            },
            "entry": [["close", ">", "upper"]], "exit": [["close", "<", "lower"]],
        },
        **protection,
    )  # fmt: skip


def fixed(stop_pct: float, target_pct: float, *, short: bool) -> list[Pair]:
    """The pairs every dataset is run with; ``short`` where it can be sold."""
    pairs = [
        ema_cross(10, 50),
        rsi_reversion(14, stop_pct=stop_pct, target_pct=target_pct),
        macd_cross(),
        donchian_breakout(20, stop_pct=stop_pct, target_pct=target_pct, of="signal"),
    ]
    if short:
        pairs += [
            rsi_reversion(14, side=-1, stop_pct=stop_pct),
            bollinger_fade(20, 2.0, stop_pct=stop_pct),
            rsi_reversion(14, side=-1, stop_pct=stop_pct, target_pct=target_pct, of="signal"),
        ]
    return pairs


def drawn(random: Random, stop_pct: float, target_pct: float, *, short: bool, exact: bool = False) -> Pair:
    """One pair with parameters drawn at random; ``exact`` leaves the percentages of stop and target as they are."""
    side = random.choice((1, -1)) if short else 1
    protection: dict[str, Any] = {"of": random.choice(("entry", "signal"))}
    if random.random() < 0.8 or side < 0:  # a short without a stop may be liquidated, which the peer does not know
        protection["stop_pct"] = stop_pct if exact else round(stop_pct * random.uniform(0.3, 2.0), 2)
    if random.random() < 0.7:
        protection["target_pct"] = target_pct if exact else round(target_pct * random.uniform(0.3, 2.0), 2)
    kind = random.choice(("ema", "rsi", "macd", "donchian", "bollinger"))
    if kind == "ema":
        return ema_cross(random.randint(3, 20), random.randint(21, 80), side=side, **protection)
    if kind == "rsi" or (kind == "bollinger" and side > 0):
        return rsi_reversion(random.randint(5, 21), float(random.randint(20, 40)), side=side, **protection)
    if kind == "bollinger":
        return bollinger_fade(random.randint(10, 40), random.choice((1.5, 2.0, 2.5)), **protection)
    if kind == "macd" and side > 0:
        return macd_cross(random.randint(5, 12), random.randint(13, 30), random.randint(4, 9), **protection)
    if side > 0:
        return donchian_breakout(random.randint(10, 55), **protection)
    return rsi_reversion(random.randint(5, 21), float(random.randint(20, 40)), side=-1, **protection)
