"""Why an order was denied, filled at its price, canceled or expired: the rule that applied, with its numbers.

Fills are explained from result files and bars. A denial is explained by repeating the run up to the event that made the
order: the account in State is then the one that the check read.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from tightloop.app.analysis.rerun import Again, number_of
from tightloop.app.facts.conditions import Facts, instances_of
from tightloop.app.facts.python import request_facts
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.text.numbers import known
from tightloop.core.domain.enums import Role, SlippageKind
from tightloop.core.domain.types import Rows
from tightloop.core.trading.ledger import WALLET
from tightloop.model.instruments import InstrumentId
from tightloop.model.signal.plan import Plan

SAME = 1e-9
"""Relative difference up to which two prices are the same."""

ENDED = {
    "ttl": "its time to live expired before it filled",
    "oco": "the other order of its group filled, and one fill cancels the rest",
    "nothing_to_reduce": "there was no position left for it to reduce",
    "unfilled_ioc": "tif IOC: what does not fill at once is cancelled",
    "unfilled_fok": "tif FOK: it could not be filled completely at once",
    "post_only_would_take": "post_only: it would have taken liquidity at the first price it met",
    "o1_true": "O1 was TRUE: the signal was cancelled, and its entry with it",
    "e1_true": "E1 was TRUE before the entry filled",
    "exit": "the position was closed, or an exit was under way",
    "killed": "the kill switch was engaged",
    "liquidated": "the position was liquidated",
    "operator": "an operator requested it",
    "strategy": "the strategy requested its cancellation",
    "ruined": "equity was not above 0, and no entries are taken from then on",
    "insufficient_cash": "the price had risen by the time of the fill, and free cash covered no more than what filled",
}
REFUSED = {
    "qty_rounds_to_zero": "the size is less than one lot of the instrument",
    "below_min_notional": "the notional is below the venue's minimum",
    "price_unknown": "its price is not known (a variant without a value) or not valid",
    "size_unknown": "the size is not known (a variant without a value, no stop for a size by risk) or not valid",
    "stop_unknown": "the stop is not known, and an entry without its stop is not sent",
    "target_unknown": "the target is not known",
    "base_beyond_peak": "the base of the retracement lies at the peak or beyond it: there was no move to retrace",
    "stop_beyond_entry": "the stop would lie on the wrong side of the entry",
    "stop_at_zero": "the stop would rest at 0 or below, where no price can reach it",
    "stop_beyond_liquidation": "the stop would rest beyond the liquidation price, and the position would be liquidated "
    "before it: lower the leverage or bring the stop nearer",
    "target_beyond_entry": "the target would lie on the wrong side of the entry",
    "short_not_allowed": "the instrument has no margin: it is long only",
    "min_risk_reward": "the possible gain is too small for the possible loss",
    "unknown_outcome": "the outcome of another order on the instrument is not known",
    "leverage_unknown": "the leverage is not a number above 0",
    "book_unknown": "the order book was lost or empty on that side: the fill price could not be estimated",
    "kill_switch": "the kill switch was engaged",
    "killed": "the kill switch was engaged",
    "ruined": "equity was not above 0: no entries are taken from then on",
    "insufficient_cash": "free cash does not cover its price, fee and slippage: use a smaller size",
    "slots_full": "the strategy had as many positions as max_concurrent_positions allows",
    "nothing_to_reduce": "there was no position for it to reduce",
    "loss_cooldown": "the cooldown after a loss was not over",
}


def explain_order(run: Again, order_id: str) -> Facts:
    """Return one order, its fills, and why it ended as it did; InputError when the run has no such order."""
    order = run.order(run.frames["orders"], order_id)
    fills = run.frames["fills"].filter(pl.col("order_id") == order_id)
    facts: Facts = {name: _plain(value) for name, value in order.items()}
    facts["fills"] = [_fill(run, order, fill) for fill in fills.iter_rows(named=True)]
    facts["why"] = _why(order)
    facts["check"] = _check(run, order) if order["state"] == "DENIED" else None
    listener = run.whole.listener
    facts["asked"] = None if listener is None or listener.request is None else request_facts(listener.request)
    facts["nearest_price"] = _nearest_price(run, order)
    return facts


def _plain(value: Any) -> Any:
    return known(value) if isinstance(value, float) else value


def _why(order: Mapping[str, Any]) -> str | None:
    """State why an order ended without a fill; None for a filled one."""
    reason = order["reason"]
    if order["state"] == "DENIED":
        return REFUSED.get(reason, f"the check {reason} denied it")
    if order["state"] in ("CANCELED", "EXPIRED", "REJECTED"):
        return ENDED.get(reason, f"reason {reason}")
    if order["state"] == "FILLED":
        return None
    return "it was still open when the run ended"


# Fills -------------------------------------------------------------------------------------------------------------


def _bar_at(run: Again, instrument: str, ts_ns: int) -> Rows | None:
    """Return the bar (row of BAR) that was open at the time of a fill; None on ticks, and where there is none."""
    if isinstance(run.market, TickMarket):
        return None
    bars = run.market.bars[InstrumentId.parse(instrument)]
    row = int(np.searchsorted(bars["open_ns"], ts_ns, "right")) - 1
    return bars[row] if row >= 0 and ts_ns < bars["close_ns"][row] else None


def _same(a: float | None, b: float | None) -> bool:
    """Compare two prices up to rounding; None equals nothing."""
    return a is not None and b is not None and math.isclose(a, b, rel_tol=SAME)


def _fill(run: Again, order: Mapping[str, Any], fill: Mapping[str, Any]) -> Facts:
    """Return one fill: its bar, the rule, the price before slippage, slippage and fee."""
    bar = _bar_at(run, fill["instrument"], fill["ts"])
    side = 1.0 if fill["side"] == "BUY" else -1.0
    multiplier = run.market.rules[InstrumentId.parse(fill["instrument"])].contract_size
    slipped = known(fill["slippage"])
    slipped = None if slipped is None else slipped + 0.0  # -0.0 becomes 0.0
    notional = fill["qty"] * fill["price"] * multiplier
    met = None if slipped is None else fill["price"] - side * slipped / (fill["qty"] * multiplier)
    return {
        "ts": fill["ts"], "qty": fill["qty"], "price": fill["price"], "price_met": met, "liquidity": fill["liquidity"],
        "slippage": slipped, "slippage_bps": None if met is None else side * (fill["price"] / met - 1.0) * 10_000.0,
        "fee": fill["fee"], "fee_bps": fill["fee"] / notional * 10_000.0,
        "bar": None if bar is None else {
            "open_ts": int(bar["open_ns"]), "close_ts": int(bar["close_ns"]),
            **{name: float(bar[name]) for name in ("open", "high", "low", "close", "volume")},
        },
        "rule": _tick_rule(order, fill, met) if isinstance(run.market, TickMarket) else _rule(order, met, bar),
    }  # fmt: skip


def _tick_rule(order: Mapping[str, Any], fill: Mapping[str, Any], met: float | None) -> str:
    """State which rule of fills on ticks determined the price; ``met``: price before slippage."""
    if order["role"] == "liquidation":
        return "the mark price passed the liquidation price, and the position was closed at the touch"
    if fill["liquidity"] == "maker":
        return "it rested at its price until prints traded through it, or used up the queue ahead of it"
    if order["type"] in ("stop", "trailing"):
        return "its trigger was reached, and it took what the book showed at that time"
    beyond = "" if _same(met, fill["price"]) else ", beyond the quantity at the touch"
    return f"it took what the book showed when it arrived at the venue{beyond}"


def _rule(order: Mapping[str, Any], met: float | None, bar: Rows | None) -> str | None:
    """State which rule of fills on bars determined the price; ``met``: price before slippage. None without a bar."""
    if bar is None:
        return None
    kind, stop, limit = order["type"], known(order["stop_price"]), known(order["price"])
    at_open = _same(met, float(bar["open"]))
    if order["role"] == "liquidation":
        where = "at the open, which was beyond" if at_open else "at"
        return f"the position was liquidated {where} its liquidation price"
    if kind == "market":
        return "a market order decided at a close fills at the open of the next bar"
    if kind in ("stop", "trailing") or (kind == "stop_limit" and not _same(met, limit)):
        if at_open:
            is_beyond = stop is None or (met or 0.0) == stop or ((met or 0.0) > stop) == (order["side"] == "BUY")
            if not is_beyond:
                return "the stop was triggered before the bar began, so it filled at its open, whatever that was"
            return "the bar opened at or beyond the stop, so it filled at that open"
        if kind == "trailing":
            return (
                "price passed the trailing stop inside the bar, which may have moved the stop itself: it filled there"
            )
        if _same(met, stop):
            return "price touched the stop inside the bar, so it filled at the stop"
        return "the stop was triggered before, and the rest filled at this price"
    if _same(met, limit):
        return "price traded through the limit inside the bar, so it filled at the limit"
    return "the bar opened beyond the limit, so it filled at that open"


def _nearest_price(run: Again, order: Mapping[str, Any]) -> Facts | None:
    """Return how near the price came to a limit or stop that did not fill while it was open."""
    level = known(order["price"]) if order["type"] == "limit" else known(order["stop_price"])
    if level is None or order["state"] in ("FILLED", "DENIED") or order["type"] == "market":
        return None
    if isinstance(run.market, TickMarket):
        bars = run.market.shown()[order["instrument"]]
    else:
        bars = run.market.bars[InstrumentId.parse(order["instrument"])]
    worked = bars[(bars["open_ns"] >= order["submitted_ts"]) & (bars["open_ns"] < order["updated_ts"])]
    if order["state"] not in ("CANCELED", "EXPIRED", "REJECTED"):
        worked = bars[bars["open_ns"] >= order["submitted_ts"]]
    if not len(worked):
        return None
    falls = (order["side"] == "BUY") == (order["type"] == "limit")
    prices = worked["low"] if falls else worked["high"]
    row = int(prices.argmin() if falls else prices.argmax())
    price = float(prices[row])
    away = price - level if falls else level - price
    return {"ts": int(worked["open_ns"][row]), "price": price, "level": level, "away": away}


# Denials -----------------------------------------------------------------------------------------------------------

Compared = tuple[str, float, float]
"""Description of the compared quantity, its value, the limit."""
Check = Callable[["_Denied"], Compared]


class _Denied:
    """The account at the time an order was denied, and that order.

    Orders of other instances that the same evaluation made before it count; those made after it do not.
    """

    def __init__(self, plan: Plan, state: Any, order: Mapping[str, Any], leverage: float | None) -> None:
        self.state, self.order = state, order
        self.number = number_of(order["order_id"]) or 0
        self.index = next(
            at for at, strategy, instrument in instances_of(plan)
            if (strategy, instrument) == (order["strategy"], order["instrument"])
        )  # fmt: skip
        self.row = self.state["instances"][self.index]
        self.strategy = self.state["strategies"][int(self.row["strategy"])]
        self.instrument = self.state["instruments"][int(self.row["instrument"])]
        self.limits = self.state["limits"]
        names = ("stop_price", "price") if order["type"] == "stop_limit" else ("price", "stop_price")
        prices = (known(order[name]) for name in names)
        self.price = next((price for price in prices if price is not None), float(self.instrument["mark"]))
        self.notional = float(order["qty"] * self.price * self.instrument["multiplier"])
        self.leverage = float(self.strategy["leverage"]) if leverage is None else leverage

    def share(self, limit: str) -> float:
        """Return a limit in percent of equity as an amount in the settle asset."""
        return float(self.state["equity"] * self.limits[limit] / 100.0)

    def held(self, instrument: int | None = None, instance: int | None = None) -> float:
        """Sum held and pending notional: of an instance, of an instrument, or of all."""
        total = 0.0
        for number in range(int(self.state["instance_count"])):
            row = self.state["instances"][number]
            if instance in (None, number) and instrument in (None, int(row["instrument"])):
                market = self.state["instruments"][int(row["instrument"])]
                qty = abs(float(self.state["positions"][number]["qty"]))
                total += qty * float(market["mark"] * market["multiplier"]) if qty else 0.0
                total += sum(self._promised(slot) for slot in self.entries(number))
        return total

    def entries(self, instance: int) -> list[int]:
        """Return the slots of an instance's open entry orders that were made before the denied one."""
        orders = self.state["orders"]
        return [
            slot for slot in range(int(self.state["order_high"]))
            if 0 < orders[slot]["id"] < self.number and orders[slot]["instance"] == instance
            and orders[slot]["role"] == Role.ENTRY
        ]  # fmt: skip

    def margins(self) -> float:
        """Return the margin in use and reserved before the order."""
        orders = self.state["orders"][: int(self.state["order_high"])]
        later = float(orders["reserved_margin"][orders["id"] > self.number].sum())
        return float(self.state["used_margin"] + self.state["reserved_margin"]) - later

    def _promised(self, slot: int) -> float:
        """Return the unfilled notional of an open order at its reference price."""
        order = self.state["orders"][slot]
        row = self.state["instruments"][int(order["instrument"])]
        return float((order["qty"] - order["filled_qty"]) * order["reference_price"] * row["multiplier"])

    def leverage_limit(self) -> float:
        """Return the lower of the account's limit and that of the margin tier of the order's notional."""
        tiers = self.instrument["tiers"][: int(self.instrument["tier_count"])]
        allowed = next((tier["leverage_max"] for tier in tiers if self.notional <= tier["notional_max"]),
                       tiers[-1]["leverage_max"])  # fmt: skip
        limit = float(self.limits["max_leverage"])
        return float(allowed) if math.isnan(limit) else min(float(allowed), limit)

    def busy(self) -> int:
        """Count other instances with a position or a pending entry."""
        return sum(
            bool(self.state["positions"][number]["qty"] != 0.0 or self.entries(number))
            for number in range(int(self.state["instance_count"])) if number != self.index
        )  # fmt: skip

    def pending(self) -> int:
        """Count instances of the strategy that are flat with a pending entry."""
        return sum(
            bool(self.state["positions"][number]["qty"] == 0.0 and self.entries(number))
            for number in range(int(self.state["instance_count"]))
            if self.state["instances"][number]["strategy"] == self.row["strategy"]
        )  # fmt: skip


def _unit_cost(denied: _Denied, instance: int, side: float, price: float, leverage: float) -> float:
    """Return the free cash that one contract takes: coins or margin, and the taker fee, with fixed slippage."""
    row = denied.state["instances"][instance]
    instrument, costs = denied.state["instruments"][int(row["instrument"])], row["costs"]
    slipped = float(costs["slippage_bps"]) / 10_000.0 if costs["slippage_kind"] == SlippageKind.FIXED else 0.0
    paid = price * (1.0 + side * slipped) * float(instrument["multiplier"])
    return paid * (float(costs["taker_rate"]) + 1.0 / (leverage if instrument["is_margined"] else 1.0))


def _cost(denied: _Denied) -> float:
    """Return the free cash that the denied order would take."""
    side = 1.0 if denied.order["side"] == "BUY" else -1.0
    return float(denied.order["qty"]) * _unit_cost(denied, denied.index, side, denied.price, denied.leverage or 1.0)


def _free_cash(denied: _Denied) -> float:
    """Return the free cash before the order, as ``core/trading/cash.py`` counts it."""
    state = denied.state
    if denied.instrument["is_margined"]:
        return float(state["equity"]) - denied.margins()
    left = float(state["balances"][WALLET] - state["used_margin"])
    for instance in range(int(state["instance_count"])):
        for slot in denied.entries(instance):
            order = state["orders"][slot]
            if state["instruments"][int(order["instrument"])]["is_margined"]:
                left -= float(order["reserved_margin"])
            elif order["side"] > 0:
                price = float(order["reference_price"])
                left -= float(order["qty"] - order["filled_qty"]) * _unit_cost(denied, instance, 1.0, price, 1.0)
    return left


CHECKS: dict[str, Check] = {
    "insufficient_cash": lambda d: ("free cash the order would use", _cost(d), _free_cash(d)),
    "max_position": lambda d: (
        "notional of the position with this order", d.held(instance=d.index) + d.notional, d.share("max_position_pct")),
    "max_symbol": lambda d: (
        "notional on the instrument with this order",
        d.held(instrument=int(d.row["instrument"])) + d.notional, d.share("max_symbol_pct")),
    "max_portfolio": lambda d: (
        "notional of the account with this order", d.held() + d.notional, d.share("max_portfolio_pct")),
    "max_order_notional": lambda d: (
        "notional of the order", d.notional, float(d.limits["max_order_notional"])),
    "max_positions": lambda d: (
        "other positions open or being entered", float(d.busy()), float(d.limits["max_positions"])),
    "max_margin": lambda d: (
        "margin in use, reserved and for this order",
        d.margins() + d.notional / d.leverage, d.share("max_margin_pct")),
    "max_leverage": lambda d: ("leverage", d.leverage, d.leverage_limit()),
    "daily_loss": lambda d: (
        "loss since 00:00 UTC", float(d.state["day_start_equity"] - d.state["equity"]),
        float(d.state["day_start_equity"] * d.limits["daily_loss_pct"] / 100.0)),
    "max_drawdown": lambda d: (
        "drawdown in percent", 100.0 * (1.0 - float(d.state["equity"] / d.state["equity_peak"])),
        float(d.limits["max_drawdown_pct"])),
    "ruined": lambda d: ("equity", float(d.state["equity"]), 0.0),
    "price_band": lambda d: (
        "distance from the mark in percent",
        100.0 * abs(d.price - float(d.instrument["mark"])) / float(d.instrument["mark"]),
        float(d.limits["price_band_pct"])),
    "max_daily_trades": lambda d: (
        "trades of the day, including those being entered", float(d.strategy["trades_today"]) + d.pending(),
        float(d.strategy["max_daily_trades"])),
    "loss_streak": lambda d: (
        "losses in a row", float(d.strategy["losses_in_row"]), float(d.strategy["max_losses_in_row"])),
    "strategy_daily_loss": lambda d: (
        "loss of the strategy since 00:00 UTC", -_strategy_pnl(d),
        float(d.state["day_start_equity"] * d.strategy["daily_loss_pct"] / 100.0)),
    "below_min_notional": lambda d: (
        "notional of the order", d.notional, float(d.instrument["min_notional"])),
}  # fmt: skip
"""Comparison of each check, as in ``core/checks``; whether a value at its limit passes differs by check."""


def _strategy_pnl(denied: _Denied) -> float:
    """Return realised and unrealised P&L of the strategy since 00:00 UTC."""
    unrealized = sum(
        float(denied.state["positions"][instance]["unrealized"])
        for instance in range(int(denied.state["instance_count"]))
        if denied.state["instances"][instance]["strategy"] == denied.row["strategy"]
    )
    return float(denied.strategy["realized_today"]) + unrealized - float(denied.strategy["day_start_unrealized"])


def _check(run: Again, order: Mapping[str, Any]) -> Facts:
    """Return the check that denied an order, what it compared and its limit.

    A stop that is in force (drawdown, daily loss) may have been triggered before: then the value is the present one.
    """
    reason = order["reason"]
    if reason not in CHECKS:
        return {"check": reason, "compared": None, "value": None, "limit": None}
    listener = run.whole.listener
    if listener is not None and listener.request is not None and listener.frozen is not None:
        plan, state = run.whole.plan, listener.frozen[0]
        leverage = float(listener.request.asked["leverage"])
    else:
        plan, leverage = run.at_step((number_of(order["order_id"]) or 0) >> 16).plan, None
        state = plan.states[0]
    compared, value, limit = CHECKS[reason](_Denied(plan, state, order, leverage))
    return {"check": reason, "compared": compared, "value": known(value), "limit": known(limit)}
