"""Backtest results as the engine writes them, synthesised: every frame agrees with every other and with the contract.

A seeded market with calm and wild hours, trades that stop, take profit or close by rule inside its bars, and from the
trades the orders, fills, signals, equity and metrics. `synthetic_run` gives the arguments of `build_report`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tightloop.core.domain.types import BAR

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
FUNDING_NS = 8 * 3_600 * SECOND_NS
START_NS = 1_704_067_200 * SECOND_NS  # 2024-01-01
CAPITAL = 1_000_000.0
TAKER = 2e-4
STOP, TARGET = 0.02, 0.03
TRADE_TYPES = {
    "trade_id": pl.String, "instrument": pl.String, "side": pl.String, "qty": pl.Float64, "entry_ts": pl.Int64,
    "entry_price": pl.Float64, "exit_ts": pl.Int64, "exit_price": pl.Float64, "pnl": pl.Float64, "fees": pl.Float64,
    "funding": pl.Float64, "exit_reason": pl.String, "signal_id": pl.String, "session_id": pl.String,
}  # fmt: skip
ORDER_TYPES = {
    "order_id": pl.String, "signal_id": pl.String, "session_id": pl.String, "strategy": pl.String,
    "instrument": pl.String, "side": pl.String, "type": pl.String, "role": pl.String, "tif": pl.String,
    "qty": pl.Float64, "price": pl.Float64, "stop_price": pl.Float64, "reduce_only": pl.Boolean, "state": pl.String,
    "reason": pl.String, "filled_qty": pl.Float64, "avg_price": pl.Float64, "submitted_ts": pl.Int64,
    "updated_ts": pl.Int64,
}  # fmt: skip
FILL_TYPES = {
    "fill_id": pl.String, "order_id": pl.String, "trade_id": pl.String, "instrument": pl.String, "ts": pl.Int64,
    "side": pl.String, "qty": pl.Float64, "price": pl.Float64, "fee": pl.Float64, "liquidity": pl.String,
}  # fmt: skip
SIGNAL_TYPES = {
    "ts": pl.Int64, "signal_id": pl.String, "session_id": pl.String, "strategy": pl.String, "instrument": pl.String,
    "section": pl.String, "event": pl.String, "reason": pl.String, "conditions": pl.String,
}  # fmt: skip
BUY_AND_SELL = {"LONG": ("BUY", "SELL"), "SHORT": ("SELL", "BUY")}


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of run to make. ``side`` MIXED alternates, as a flip strategy would."""

    name: str = "ema_cross"
    instruments: tuple[str, ...] = ("ftx:BTCUSD-perp",)
    side: str = "LONG"
    days: int = 120
    bar_s: int = 900
    trades: int = 180
    open_trade: bool = False
    seed: int = 7
    notional: float = 200_000.0


LONG = Shape()
SHORT = Shape(name="peak_fade_short", side="SHORT", seed=11)
BASKET = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp", "binance:SOLUSDT-perp")
MULTI = Shape(name="basket", instruments=BASKET, side="MIXED", trades=240, open_trade=True, seed=5)
NO_TRADES = Shape(name="never", trades=0, days=40)
ONE_OPEN = Shape(name="holder", trades=1, open_trade=True, days=30)
BUSY = Shape(name="scalper", trades=10_000, days=366, bar_s=60, seed=3, notional=20_000.0)
YEAR_OF_MINUTES = Shape(name="ema_cross", trades=450, days=366, bar_s=60, seed=13)


def market(shape: Shape, number: int) -> npt.NDArray[Any]:
    """One instrument's bars: a drift, volatility that clusters, and a few pumps that fade."""
    draw = np.random.default_rng([shape.seed, number])
    count = shape.days * 86_400 // shape.bar_s
    hourly = 0.006 * np.sqrt(shape.bar_s / 3_600)
    waves = np.interp(np.arange(count), np.linspace(0, count, 90), draw.uniform(0.35, 1.9, 90))
    steps = draw.standard_t(4, count) / 1.414 * hourly * waves
    for at in draw.integers(count // 20, count - count // 20, 6):
        reach = max(2, int(5_400 / shape.bar_s))
        steps[at : at + reach] += 0.06 / reach
        steps[at + reach : at + 4 * reach] -= 0.05 / (3 * reach)
    start, cents = ((42_000.0, 1), (2_300.0, 2), (98.0, 3))[number % 3]
    close = np.round(start * np.exp(np.cumsum(steps - steps.mean() * 0.7)), cents)
    bars = np.zeros(count, BAR)
    bars["close"] = close
    bars["open"] = np.concatenate([[start], close[:-1]])
    wick = np.abs(draw.normal(0, hourly * 0.5, (2, count)))
    bars["high"] = np.round(np.maximum(bars["open"], close) * (1 + wick[0]), cents)
    bars["low"] = np.round(np.minimum(bars["open"], close) * (1 - wick[1]), cents)
    bars["volume"] = np.round(draw.lognormal(3, 0.8, count), 3)
    bars["open_ns"] = START_NS + np.arange(count, dtype=np.int64) * shape.bar_s * SECOND_NS
    bars["close_ns"] = bars["open_ns"] + shape.bar_s * SECOND_NS
    return bars


def exit_of(
    bars: npt.NDArray[Any], entry: int, last: int, long: bool, draw: np.random.Generator
) -> tuple[int, float, str]:
    """(bar, price, reason): the stop before the target inside a bar, else a rule at the last bar's open."""
    price = float(bars["open"][entry])
    way = 1.0 if long else -1.0
    stop, target = price * (1 - way * STOP), price * (1 + way * TARGET)
    against, favour = ("low", "high") if long else ("high", "low")
    held = bars[entry:last]
    stopped = np.flatnonzero(way * held[against] <= way * stop)
    taken = np.flatnonzero(way * held[favour] > way * target)
    first_stop = int(stopped[0]) if len(stopped) else len(held)
    first_take = int(taken[0]) if len(taken) else len(held)
    if min(first_stop, first_take) < len(held):
        at = entry + min(first_stop, first_take)
        level, reason = (stop, "stop_loss") if first_stop <= first_take else (target, "take_profit")
        gapped = way * bars["open"][at] < way * stop if reason == "stop_loss" else way * bars["open"][at] > way * target
        return at, float(bars["open"][at]) if gapped else round(level, 4), reason
    reason = str(draw.choice(["ZE1", "ZE1", "ZE1", "trailing", "time", "E1"]))
    return last, float(bars["open"][last]), reason


def trade_rows(shape: Shape, bars: dict[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    draw = np.random.default_rng([shape.seed, 99])
    rows: list[dict[str, Any]] = []
    each = -(-shape.trades // len(bars)) if shape.trades else 0
    for name, market_bars in bars.items():
        slot = (len(market_bars) - 4) // max(1, each)
        for k in range(each):
            begin = 1 + k * slot + int(draw.integers(0, max(1, slot // 4)))
            last = min(begin + max(1, int(slot * draw.uniform(0.15, 0.7))), len(market_bars) - 2)
            long = shape.side == "LONG" or (shape.side == "MIXED" and k % 2 == 0)
            at, price, reason = exit_of(market_bars, begin, last, long, draw)
            rows.append(
                _trade(name, market_bars, begin, at, price, reason, "LONG" if long else "SHORT", shape.notional)
            )
    rows = sorted(rows, key=lambda row: (row["entry_ts"], row["instrument"]))[: shape.trades]
    if shape.open_trade and rows:
        still = {"exit_ts": None, "exit_price": None, "pnl": None, "exit_reason": None}
        rows[-1] = {**rows[-1], **still, "fees": rows[-1]["entry_price"] * rows[-1]["qty"] * TAKER}
    for number, row in enumerate(rows):
        row |= {"trade_id": f"t{number:06d}", "signal_id": f"s{number:06d}", "session_id": "run"}
    return rows


def _trade(
    name: str, bars: npt.NDArray[Any], begin: int, at: int, price: float, reason: str, side: str, notional: float
) -> dict[str, Any]:
    entry = float(bars["open"][begin])
    qty = float(np.floor(notional / entry * 1_000) / 1_000)
    entry_ts, exit_ts = int(bars["open_ns"][begin]), int(bars["open_ns"][at])
    way = 1.0 if side == "LONG" else -1.0
    stamps = exit_ts // FUNDING_NS - entry_ts // FUNDING_NS
    funding = -way * stamps * qty * entry * 1e-4
    fees = qty * (entry + price) * TAKER
    return {
        "instrument": name, "side": side, "qty": qty, "entry_ts": entry_ts, "entry_price": entry, "exit_ts": exit_ts,
        "exit_price": price, "pnl": way * qty * (price - entry) - fees + funding, "fees": fees, "funding": funding,
        "exit_reason": reason,
    }  # fmt: skip


def equity_frame(trades: pl.DataFrame, bars: dict[str, npt.NDArray[Any]]) -> pl.DataFrame:
    """Cash and marked equity at every close; costs of a trade fall on its exit, but those of an open one at once."""
    ts = next(iter(bars.values()))["close_ns"]
    equity, cash = np.full(len(ts), CAPITAL), np.full(len(ts), CAPITAL)
    for row in trades.iter_rows(named=True):
        marks = bars[row["instrument"]]
        begin = int(np.searchsorted(marks["open_ns"], row["entry_ts"]))
        end = len(marks) if row["exit_ts"] is None else int(np.searchsorted(marks["open_ns"], row["exit_ts"]))
        way = 1.0 if row["side"] == "LONG" else -1.0
        equity[begin:end] += way * row["qty"] * (marks["close"][begin:end] - row["entry_price"])
        if row["exit_ts"] is None:
            equity[begin:] -= row["fees"]
            cash[begin:] -= row["fees"]
        else:
            equity[end:] += row["pnl"]
            cash[end:] += row["pnl"]
    peak = np.maximum.accumulate(np.maximum(equity, CAPITAL))
    return pl.DataFrame({"ts": ts, "equity": equity, "cash": cash, "drawdown_pct": (1 - equity / peak) * 100})


def order_rows(shape: Shape, trades: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Filled orders of the trades with their fills, and orders that our checks denied."""
    orders: list[dict[str, Any]] = []
    fills: list[dict[str, Any]] = []
    for trade in trades:
        entry_side, exit_side = BUY_AND_SELL[trade["side"]]
        legs = [("entry", entry_side, "market", trade["entry_ts"], trade["entry_price"])]
        if trade["exit_ts"] is not None:
            kind = "limit" if trade["exit_reason"] == "take_profit" else "market"
            legs.append(("exit", exit_side, kind, trade["exit_ts"], trade["exit_price"]))
        for role, side, kind, ts, price in legs:
            number = len(orders)
            orders.append(_order(shape, number, trade, role, side, kind, ts, price))
            fills.append({
                "fill_id": f"f{number:06d}", "order_id": f"o{number:06d}", "trade_id": trade["trade_id"],
                "instrument": trade["instrument"], "ts": ts, "side": side, "qty": trade["qty"], "price": price,
                "fee": trade["qty"] * price * TAKER, "liquidity": "maker" if kind == "limit" else "taker",
            })  # fmt: skip
    reasons = (
        "max_position_pct: 200,412 is above 10 % of 1,000,310",
        "daily_loss_pct: -5.2 % is below -5 %",
        "max_drawdown_pct",
    )
    for number, trade in enumerate(trades[::9]):
        denied = _order(
            shape, len(orders), trade, "entry", BUY_AND_SELL[trade["side"]][0], "market", trade["entry_ts"], 0.0
        )
        orders.append(
            {**denied, "state": "DENIED", "reason": reasons[number % 3], "filled_qty": 0.0, "avg_price": None}
        )
    return orders, fills


def _order(
    shape: Shape, number: int, trade: dict[str, Any], role: str, side: str, kind: str, ts: int, price: float
) -> dict[str, Any]:
    return {
        "order_id": f"o{number:06d}", "signal_id": trade["signal_id"], "session_id": "run", "strategy": shape.name,
        "instrument": trade["instrument"], "side": side, "type": kind, "role": role, "tif": "GTC", "qty": trade["qty"],
        "price": price if kind == "limit" else None, "stop_price": None, "reduce_only": role == "exit",
        "state": "FILLED", "reason": None, "filled_qty": trade["qty"], "avg_price": price, "submitted_ts": ts,
        "updated_ts": ts,
    }  # fmt: skip


def signal_rows(shape: Shape, trades: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    draw = np.random.default_rng([shape.seed, 1])
    rows: list[dict[str, Any]] = []

    def add(
        trade: dict[str, Any],
        ts: int,
        section: str,
        event: str,
        reason: str | None,
        conditions: list[dict[str, Any]],
        own: bool = True,
    ) -> None:
        signal = trade["signal_id"] if own else f"x{len(rows):06d}"
        rows.append({
            "ts": ts, "signal_id": signal, "session_id": "run", "strategy": shape.name,
            "instrument": trade["instrument"], "section": section, "event": event, "reason": reason,
            "conditions": json.dumps(conditions),
        })  # fmt: skip

    bar_ns = shape.bar_s * SECOND_NS
    for number, trade in enumerate(trades):
        price = trade["entry_price"]
        cross = [
            condition("fast", "crosses_above", round(price * 1.0004, 4), round(price, 4)),
            condition("rsi_14", "<", round(float(draw.uniform(35, 70)), 3), 70),
        ]
        add(trade, trade["entry_ts"], "S1", "fired", None, cross)
        add(
            trade,
            trade["entry_ts"],
            "Z1",
            "fired",
            None,
            [condition("spread_bps", "<=", round(float(draw.uniform(0.5, 4)), 2), 5)],
        )
        if trade["exit_reason"] in ("ZE1", "E1"):
            add(
                trade,
                trade["exit_ts"],
                trade["exit_reason"],
                "fired",
                None,
                [condition("fast", "crosses_below", trade["exit_price"], round(trade["exit_price"] * 1.0002, 4))],
            )
        if number % 4 == 0:
            reason = ("max_concurrent_positions: 3 of 3 in use", "cooldown until the next hour", "max_daily_trades")[
                number // 4 % 3
            ]
            add(trade, trade["entry_ts"] + bar_ns, "S1", "suppressed", reason, cross, own=False)
        if number % 7 == 0:
            add(trade, trade["entry_ts"] - bar_ns, "S1", "fired", None, cross, own=False)
            add(
                trade,
                trade["entry_ts"] - bar_ns // 2,
                "O1",
                "fired",
                None,
                [condition("age_s", ">", 300.0, 240)],
                own=False,
            )
    if not trades and shape.trades == 0:
        for day in range(0, shape.days, 3):
            ghost = {"signal_id": "", "instrument": shape.instruments[0]}
            add(
                ghost,
                START_NS + day * DAY_NS,
                "S1",
                "suppressed",
                "warm-up: slow is UNKNOWN",
                [condition("slow", ">", None, 0)],
                own=False,
            )
    return sorted(rows, key=lambda row: row["ts"])


def condition(variant: str, operator: str, value: float | None, threshold: float) -> dict[str, Any]:
    return {
        "variant": variant,
        "operator": operator,
        "value": value,
        "threshold": threshold,
        "verdict": "UNKNOWN" if value is None else "TRUE",
    }


def metrics_of(trades: pl.DataFrame, equity: pl.DataFrame, span_ns: int) -> dict[str, float | None]:
    """By the definitions of the contract; null where it says so."""
    done = trades.filter(pl.col("exit_ts").is_not_null())
    pnl = done["pnl"].to_numpy() if done.height else np.zeros(0)
    days = equity.filter(pl.col("ts") % DAY_NS == 0)["equity"].to_numpy()
    returns = np.diff(np.concatenate([[CAPITAL], days])) / np.concatenate([[CAPITAL], days])[:-1]
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0) ** 2))) if len(returns) else 0.0
    final = float(equity["equity"][-1])
    growth = (final / CAPITAL) ** (365 * DAY_NS / span_ns) - 1 if span_ns >= 30 * DAY_NS else None
    deepest = float(equity["drawdown_pct"].to_numpy().max())
    lost = -float(pnl[pnl < 0].sum())
    hold = (done["exit_ts"] - done["entry_ts"]).to_numpy() / 1e9 if done.height else np.zeros(0)
    return {
        "total_return_pct": (final / CAPITAL - 1) * 100,
        "cagr_pct": None if growth is None else growth * 100,
        "sharpe": float(returns.mean() / spread * np.sqrt(365)) if spread else None,
        "sortino": float(returns.mean() / downside * np.sqrt(365)) if downside else None,
        "calmar": growth * 100 / deepest if growth is not None and deepest else None,
        "max_drawdown_pct": deepest,
        "max_drawdown_days": longest_drawdown_days(equity) if deepest else None,
        "volatility_pct": spread * np.sqrt(365) * 100 if spread else None,
        "trades": float(done.height),
        "win_rate_pct": float((pnl > 0).mean() * 100) if len(pnl) else None,
        "profit_factor": float(pnl[pnl > 0].sum() / lost) if lost else None,
        "expectancy": float(pnl.mean()) if len(pnl) else None,
        "avg_hold_s": float(hold.mean()) if len(hold) else None,
        "exposure_pct": min(100.0, float(hold.sum()) * 1e9 / span_ns * 100),
        "turnover": float((trades["entry_price"] * trades["qty"]).to_numpy().sum() * 2 / CAPITAL)
        if trades.height
        else 0.0,
        "fees": float(trades["fees"].sum()) if trades.height else 0.0,
        "funding": float(trades["funding"].sum()) if trades.height else 0.0,
        "slippage": 0.0,
    }


def longest_drawdown_days(equity: pl.DataFrame) -> float:
    ts = equity["ts"].to_numpy()
    at_peak = np.flatnonzero(equity["drawdown_pct"].to_numpy() <= 0)
    edges = np.concatenate([[0], at_peak, [len(ts) - 1]])
    return float(np.max(np.diff(ts[edges])) / DAY_NS)


QUALITY = [
    {
        "path": "bars/ftx/BTCUSD-perp-15m.parquet", "rows": 11_520, "from": "2024-01-01T00:00:00Z",
        "to": "2024-04-30T00:00:00Z", "verdict": "usable",
        "faults": [
            {"kind": "holes", "count": 14, "first_ts": 1_706_000_400 * SECOND_NS, "detail": "longest 2h 15m"},
            {"kind": "exact_duplicates", "count": 3, "first_ts": 1_707_000_300 * SECOND_NS, "detail": ""},
        ],
    },
    {
        "path": "funding/ftx/BTCUSD.parquet", "rows": 360, "from": "2024-01-01T00:00:00Z", "to": "2024-04-30T00:00:00Z",
        "verdict": "fit", "faults": [],
    },
    {
        "path": "bars/ftx/ETHUSD-perp-15m.parquet", "rows": 11_400, "from": START_NS, "to": START_NS + 120 * DAY_NS,
        "verdict": "unfit",
        "faults": [{"kind": "straight_line", "count": 96, "first_ts": "2024-02-11T03:00:00Z", "detail": "step 0.25"}],
    },
]  # fmt: skip

ACCOUNT = {
    "max_position_pct": 10, "max_positions": 3, "max_symbol_pct": 30, "daily_loss_pct": 5, "max_drawdown_pct": 15,
    "max_margin_pct": 80, "max_leverage": 10, "max_order_notional": None, "price_band_pct": None,
    "max_portfolio_pct": None,
}  # fmt: skip


def strategy_yaml(shape: Shape) -> str:
    return f"""name: {shape.name}
family: signal
direction: {"LONG" if shape.side == "MIXED" else shape.side}
instruments: [{", ".join(shape.instruments)}]
timeframe: {shape.bar_s // 60}m
capital: 1_000_000
variants:
  fast: {{type: EMA, period: 10}}
  slow: {{type: EMA, period: 50}}
sections:
  S1:  {{all: [{{fast: crosses_above slow}}]}}
  Z1:  {{immediate: true, order: {{type: market}}, size: {{type: fixed, value: 200_000}},
        stop_loss: {{type: percent, value: 2}}, take_profit: {{type: percent, value: 3}}}}
  ZE1: {{all: [{{fast: crosses_below slow}}], cooldown_min: 0}}
costs: {{taker_bps: 5, maker_bps: 2, slippage: {{type: none}}}}
"""


def synthetic_run(shape: Shape) -> dict[str, Any]:
    """The keyword arguments of `build_report`."""
    bars = {name: market(shape, number) for number, name in enumerate(shape.instruments)}
    rows = trade_rows(shape, bars)
    trades = pl.DataFrame(rows, schema_overrides=TRADE_TYPES) if rows else pl.DataFrame(schema=TRADE_TYPES)
    trades = trades.select(list(TRADE_TYPES))
    equity = equity_frame(trades, bars)
    orders, fills = order_rows(shape, rows)
    span_ns = shape.days * DAY_NS
    metrics = metrics_of(trades, equity, span_ns)
    final = float(equity["equity"][-1])
    fees, funding = float(metrics["fees"] or 0), float(metrics["funding"] or 0)
    result = {
        "strategy": shape.name, "config_hash": "5b1f" * 16, "data_hash": "c0de" * 16, "engine_version": "0.1.0",
        "seed": 1, "from": START_NS, "to": START_NS + span_ns, "initial_equity": CAPITAL, "final_equity": final,
        "state_hash": "9a7e" * 16, "metrics": metrics,
        "attribution": {"price": final - CAPITAL + fees - funding, "fees": -fees, "funding": funding},
        "account": ACCOUNT,
        "warnings": [
            "bars/ftx/BTCUSD-perp-15m.parquet is usable, not fit: 14 holes, 3 exact duplicates",
            "no instruments.yaml: price increment and lot size are 0 (no rounding)",
        ],
    }  # fmt: skip
    return {
        "result": result,
        "trades": trades,
        "orders": pl.DataFrame(orders, schema=ORDER_TYPES),
        "fills": pl.DataFrame(fills, schema=FILL_TYPES),
        "equity": equity,
        "signals": pl.DataFrame(signal_rows(shape, rows), schema=SIGNAL_TYPES),
        "bars": bars,
        "quality": QUALITY,
        "strategy_yaml": strategy_yaml(shape),
        "command": f"tightloop backtest strategies/{shape.name}.yaml --data data --seed 1 --accept straight_line",
        "made_at": "2025-01-02 03:04 UTC",
    }
