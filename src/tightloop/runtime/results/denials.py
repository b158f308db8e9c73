"""Denied entries: how many, by which check, and what to change so that they pass."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tightloop.core.domain.enums import OrderState
from tightloop.model.files.fields import plain
from tightloop.model.signal.read import Strategy
from tightloop.model.signal.sizes import Asked, asked_by, in_force, instead
from tightloop.runtime.results.reasons import ENDING
from tightloop.runtime.results.recorder import Columns

OF_ACCOUNT: Mapping[str, tuple[str, str]] = {
    "max_position": ("max_position_pct", "the position would be above this percent of equity"),
    "max_positions": ("max_positions", "this many were open or being entered"),
    "max_symbol": ("max_symbol_pct", "all strategies together would hold more of the symbol"),
    "daily_loss": ("daily_loss_pct", "the loss of the UTC day was larger"),
    "max_drawdown": ("max_drawdown_pct", "equity was this far below its peak"),
    "max_margin": ("max_margin_pct", "margin in use and new would reach this percent of equity"),
    "max_leverage": ("max_leverage", "leverage is above it, or above what the instrument allows at this size"),
    "max_order_notional": ("max_order_notional", "the order is larger"),
    "price_band": ("price_band_pct", "the order's price is further than this from the mark"),
    "max_portfolio": ("max_portfolio_pct", "the whole account would hold more"),
}
"""By an order's reason: the account's limit, and what its denial means."""
OF_STRATEGY: Mapping[str, tuple[str, str]] = {
    "max_daily_trades": ("max_daily_trades", "the UTC day already had this many entries"),
    "loss_streak": ("max_losses_in_row", "this many losses in a row: no entries until the next UTC day"),
    "loss_cooldown": ("loss_cooldown_min", "the cooldown after a loss was not over"),
    "strategy_daily_loss": ("daily_loss_pct", "the loss of the strategy on the UTC day was larger"),
    "min_risk_reward": ("min_risk_reward", "the possible gain is too small for the possible loss"),
}
"""By an order's reason: the limit in ``limits:`` of the strategy, and what its denial means."""
ADD_A_CONDITION = "enter later: give Z1 a condition on the variant"
OTHERS: Mapping[str, tuple[str, str]] = {
    "qty_rounds_to_zero": ("the size is less than one lot", "write a larger size"),
    "below_min_notional": ("the size is below the venue's minimum notional", "write a larger size"),
    "price_unknown": ("the price was not known", ADD_A_CONDITION),
    "size_unknown": ("the size was not known", ADD_A_CONDITION),
    "stop_unknown": ("the stop was not known", ADD_A_CONDITION),
    "target_unknown": ("the target was not known", ADD_A_CONDITION),
    "base_beyond_peak": (
        "the base of the retracement did not lie before the peak", "name a base that price has left when S1 fires",
    ),
    "leverage_unknown": ("the leverage was not a number above 0", "write leverage=1, or what the limits allow"),
    "stop_at_zero": ("the stop would rest at 0 or below", "write a nearer stop, or a finer price_increment"),
    "short_not_allowed": ("spot is long only", "trade a perp, or write margin: true in instruments.yaml"),
    "stop_beyond_entry": ("the stop would lie on the wrong side of the entry", "write another stop_loss"),
    "target_beyond_entry": ("the target would lie on the wrong side of the entry", "write another take_profit"),
    "stop_beyond_liquidation": (
        "the stop would lie beyond the liquidation price", "write a nearer stop, or a lower leverage",
    ),
    "insufficient_cash": ("free cash did not cover it", "write a smaller size, or more capital"),
    "ruined": ("equity was not above 0", "write a smaller size, a nearer stop or a lower leverage"),
    "killed": ("the kill switch was engaged", "release it to continue"),
    "book_unknown": ("no order book was known", "begin at a snapshot of the book"),
}  # fmt: skip
"""By an order's reason: what it means, what to write instead."""
OF_SESSIONS: Mapping[str, tuple[str, str]] = {
    "kill_switch": ("the kill switch is engaged", "`tightloop session rearm --by NAME` lifts it"),
    ENDING: ("the session was being ended, and closed everything", "start it again"),
    "paused": ("the session is paused, or was being ended", "`tightloop session resume ID` takes entries again"),
    "not_ready": ("it is not certain that the books and the venue agree", "its log says what it waits for"),
    "rules_changed": ("the venue has changed its rules since", "the next order follows them"),
    "delisted": ("the venue takes no entries there", "trade another instrument"),
    "above_qty_max": ("it, or the order that would close it, is larger than the venue takes", "write a smaller size"),
    "foreign_held": ("the account holds a position there that is not ours", "close it at the venue"),
    "unknown_outcome": ("an order was sent there and nobody has answered yet", "it is being looked up"),
    "not_at_venue": ("it never arrived: looked up until that was certain", "the strategy may send another"),
    "would_trigger": ("the market had passed its stop already", "the position is closed at market"),
    "nothing_to_reduce": ("there was no position left to reduce", "its last fill says why"),
    "post_only_would_take": ("it would have taken, and was to make", "write a price further away, or no post_only"),
    "unfilled_ioc": ("what could be had at once was less", "write another time in force"),
    "unfilled_fok": ("it could not be filled as a whole at once", "write another time in force"),
    "ttl": ("its time was over", "write a longer ttl_s"),
    "oco": ("the other one of a pair was filled", "nothing is to be done"),
    "self_trade": ("it would have met an order of ours", "one of the two strategies asks for the opposite"),
    "cooldown": ("the cooldown of the last signal was not over", "write a shorter cooldown_min"),
    "slots_full": ("as many positions as it may hold were open", "write a larger max_concurrent_positions"),
    "symbol_locked": ("another strategy holds the symbol", "it waits until that one is done"),
}
"""By a reason that only sessions have, or signals: what it means, what to do."""
DENIED, BY = OrderState.DENIED.name, " denied by "
EXPLAIN = "`tightloop explain RUN --order ID` has the numbers"


def meaning(reason: str) -> tuple[str, str]:
    """Return what a reason means, and what to do; of a limit, its name is what to change. ("", "") if it says all."""
    if reason in OF_ACCOUNT:
        check, what = OF_ACCOUNT[reason]
        return what, f"it is {check} of the account"
    if reason in OF_STRATEGY:
        check, what = OF_STRATEGY[reason]
        return what, f"it is {check} in limits of the strategy"
    return OF_SESSIONS.get(reason) or OTHERS.get(reason, ("", ""))


def denied(
    orders: Mapping[str, Any], strategies: Sequence[Strategy], largest: Mapping[str, float]
) -> list[dict[str, Any]]:
    """List denied entries by reason, the most frequent first.

    A row has ``reason``, ``check`` (name of the limit), ``limit``, ``count`` and ``text``. ``orders``: the table of a
    run. ``largest``: by reason the largest denied notional, in percent of the equity at that time, where known.
    """
    entries = zip(orders["state"], orders["reduce_only"], orders["reason"], orders["strategy"], strict=True)
    by_reason_and_name = Counter(
        (reason, name) for state, reduces, reason, name in entries if state == DENIED and not reduces
    )
    counts: Counter[str] = Counter()
    for (reason, _), count in by_reason_and_name.items():
        counts[reason] += count
    rows = []
    for reason, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        name = max((n for r, n in by_reason_and_name if r == reason), key=lambda n: by_reason_and_name[reason, n])
        strategy = next((each for each in strategies if each.read.name == name), strategies[0])
        rows.append(_row(reason, count, strategy, strategies, largest))
    return rows


def together(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Merge the rows of several runs: counts added by reason; the text is that of the run with the largest count."""
    counts: Counter[str] = Counter()
    most: dict[str, Mapping[str, Any]] = {}
    for row in (row for rows in runs for row in rows):
        reason = row["reason"]
        counts[reason] += row["count"]
        if reason not in most or row["count"] > most[reason]["count"]:
            most[reason] = row
    return [
        {**most[reason], "count": count, "text": f"{_many(count)}{BY}{most[reason]['text'].partition(BY)[2]}"}
        for reason, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]


def _many(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"


def _row(
    reason: str, count: int, strategy: Strategy, strategies: Sequence[Strategy], largest: Mapping[str, float]
) -> dict[str, Any]:
    """Build the row of one reason; ``strategy`` is the one with most of its denials."""
    limit: float | None = None
    if reason in OF_ACCOUNT:
        check, what = OF_ACCOUNT[reason]
        limits = in_force(strategy.read.account)
        limit = limits.get(check)
        what, remedy = _of_account(check, what, strategy, strategies, largest.get(reason))
    elif reason in OF_STRATEGY:
        check, what = OF_STRATEGY[reason]
        value = getattr(strategy.read.limits, check)
        limit = None if value is None else float(value)
        remedy = f"write limits: {{{check}: {'off' if limit is None else _looser(check, limit)}}}"
    else:
        check = reason
        what, remedy = OTHERS.get(reason, ("the check denied it", EXPLAIN))
    shown = check if limit is None else f"{check} ({plain(limit)})"
    return {
        "reason": reason, "check": check, "limit": limit, "count": count,
        "text": f"{_many(count)}{BY}{shown}: {what}; {remedy}",
    }  # fmt: skip


def _looser(check: str, limit: float) -> str:
    """Return a value of the strategy's limit that would have denied less."""
    return plain(limit / 2.0) if check == "min_risk_reward" else "off"


def _of_account(
    check: str, what: str, strategy: Strategy, strategies: Sequence[Strategy], largest_pct: float | None
) -> tuple[str, str]:
    """Return what a limit of the account compared, and the remedy.

    The remedy fits the largest entry that the file can ask for, with all limits that it exceeds at once.
    """
    limits = in_force(strategy.read.account)
    equity = sum(each.read.capital for each in strategies)
    if check == "max_positions":
        wanted = sum(
            min(s.read.limits.max_concurrent_positions or len(s.instruments), len(s.instruments)) for s in strategies
        )
        return what, instead({check: float(max(wanted, limits[check] + 1.0))})
    if check == "max_leverage":
        leverage = 1.0 if strategy.read.sections is None else strategy.read.sections.Z1.leverage
        return what, "write a lower leverage" if leverage <= limits.get(check, math.inf) else instead({check: leverage})
    asked = asked_by(strategy, equity)
    if asked is None or check not in asked.over(limits, equity):
        if largest_pct is None or strategy.read.sections is None:
            return _seen(check, what, largest_pct, limits)
        leverage = strategy.read.sections.Z1.leverage
        asked = Asked(largest_pct, largest_pct, leverage, f"a size of up to {largest_pct:.4g} % of equity")
        if check not in asked.over(limits, equity):
            return _seen(check, what, None, limits)
    over = asked.over(limits, equity)
    if check == "max_margin_pct":
        return f"{asked.words}, as margin {asked.high_pct / asked.leverage:.4g} %, is not below it", instead(over)
    return f"{asked.words} is above it", instead(over)


def _seen(check: str, what: str, largest_pct: float | None, limits: Mapping[str, float]) -> tuple[str, str]:
    """Return fault and remedy from the largest denied entry, or a remedy without the limit when its size is unknown."""
    if largest_pct is not None and check in limits and largest_pct > limits[check]:
        return f"up to {largest_pct:.4g} % of equity was asked for", instead({check: float(math.ceil(largest_pct))})
    return what, instead({check: math.inf})


def count_denied(ended: Columns) -> int:
    """Count denied entries among the final rows of orders."""
    return int(np.count_nonzero((ended["code"] == int(OrderState.DENIED)) & (ended["reduce_only"] == 0)))


def largest_denied(
    orders: Mapping[str, Any], signals: Mapping[str, Any], equity: Mapping[str, Any], multipliers: Mapping[str, float]
) -> dict[str, float]:
    """Return by reason the largest denied notional, in percent of the equity at that time.

    Market orders are valued at the price that their signal saw; orders without any price are left out.
    """
    ts_ns, values = np.asarray(equity["ts"]), np.asarray(equity["equity"])
    fired = zip(signals["signal_id"], signals["section"], signals["price"], strict=True)
    seen = {signal: float(price) for signal, section, price in fired if section == "Z1"}
    largest: dict[str, float] = {}
    for row in np.flatnonzero((np.asarray(orders["state"]) == DENIED) & ~np.asarray(orders["reduce_only"])).tolist():
        before = int(np.searchsorted(ts_ns, orders["submitted_ts"][row], "right")) - 1
        signal = orders["signal_id"][row]
        prices = (orders["price"][row], orders["stop_price"][row], seen.get(signal, math.nan))
        price = next((float(price) for price in prices if math.isfinite(price)), math.nan)
        notional = float(orders["qty"][row]) * price * multipliers[orders["instrument"][row]]
        if before >= 0 and values[before] > 0.0 and math.isfinite(notional):
            pct = 100.0 * notional / float(values[before])
            largest[orders["reason"][row]] = max(pct, largest.get(orders["reason"][row], 0.0))
    return largest
