"""What a session on a real venue looks like: the books of the step, with the names that the venue has for them."""

from collections import deque
from typing import Any

from tightloop.core.domain.enums import Correction, OrderKind, OrderState, RowKind, Side, WarningCode
from tightloop.core.domain.types import Record
from tightloop.core.trading import ledger
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session.account.fold import AccountFold, BookedTrade
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Wire
from tightloop.runtime.session.driver import view as driver_view
from tightloop.runtime.session.driver.recent import RecentRows
from tightloop.runtime.session.driver.view import View, number

_WIRES = {
    Wire.QUEUED: OrderState.INITIALIZED, Wire.SENT: OrderState.SUBMITTED, Wire.ACKED: OrderState.ACCEPTED,
    Wire.UNKNOWN: OrderState.IN_FLIGHT,
}  # fmt: skip


def outside_of(state: Record) -> float:
    """Return what the venue's wallet has beyond our books."""
    return float(state["balances"][ledger.EXTERNAL])


def account_view(plan: Plan, recent: RecentRows, fold: AccountFold, elsewhere: list[View]) -> View:
    """Return the view of ``driver/view.py`` with the venue's names; wallet is ours and what is outside.

    ``elsewhere``: positions of the account on symbols that the session does not trade.
    """
    shown = driver_view.view(plan, recent)
    state = plan.states[0]
    symbols = [instrument.symbol for instrument in plan.instruments]
    desk = fold.desk.state
    opened = [desk.orders[order_id] for order_id in desk.open_ids]
    shown["fills"] = _named(shown["fills"], fold.trades)
    outside = outside_of(state)
    return shown | {
        "orders": [_attempt(order, one, symbols) for order in opened for one in order.live],
        "unknown": [one.client_id for order in opened for one in order.live if one.wire == Wire.UNKNOWN],
        "foreign": _foreign(state, symbols) + elsewhere,
        "outside": outside,
        "wallet": shown["wallet"] + outside,
        "ours": shown["wallet"],
        "corrections": _corrections(recent, symbols),
        "is_ready": not bool(state["not_ready"]),
    }


def _attempt(order: DeskOrder, attempt: Attempt, symbols: list[str]) -> View:
    wanted = order.wanted
    state = _WIRES[attempt.wire]
    if attempt.wire == Wire.ACKED and attempt.booked_qty > 0.0:
        state = OrderState.PARTIALLY_FILLED
    return {
        "order_id": attempt.venue_order_id, "client_id": attempt.client_id, "symbol": symbols[wanted.instrument],
        "side": Side(wanted.side).name, "type": OrderKind(attempt.kind).name, "qty": attempt.qty,
        "price": number(attempt.price), "stop_price": number(attempt.stop_price),
        "reduce_only": wanted.is_reduce_only, "state": state.name, "cum_qty": attempt.booked_qty,
    }  # fmt: skip


def _named(fills: list[View], trades: deque[BookedTrade]) -> list[View]:
    """Return fills of the books with the venue's names: the fills of one order are its trades, in their order.

    Those of no order of ours are told apart by symbol and price, because some of them are of what is not ours. One that
    was implied is shown as the trades that it turned out to be, once all of them are known.
    """
    by_order: dict[tuple[str, str, float], deque[BookedTrade]] = {}
    for trade in trades:
        by_order.setdefault(_place(trade.order_id, trade.symbol, trade.price), deque()).append(trade)
    found: list[View] = []
    for fill in reversed(fills):  # the books may go back further than the names
        of_order = by_order.get((fill["order_id"], "", 0.0)) or by_order.get(("", fill["symbol"], fill["price"]))
        name = of_order.pop() if of_order else BookedTrade(0, "", "", 0.0, 0.0, "", "")
        named = fill | {"trade_id": name.trade_id, "client_id": name.client_id, "order_id": name.venue_order_id}
        if not name.is_known:
            found.append(named)
            continue
        for trade_id, qty, price, fee, is_maker, ts_ns in reversed(name.parts):
            said = {"qty": qty * fill["qty"] / name.qty, "price": price, "fee": number(fee), "is_maker": is_maker}
            found.append(named | said | {"trade_id": trade_id, "ts_ns": ts_ns})
    return found[::-1]


def _place(order_id: int, symbol: str, price: float) -> tuple[str, str, float]:
    """Return where a trade is looked for: by its order, or else by symbol and price."""
    return (driver_view.order_name(order_id), "", 0.0) if order_id else ("", symbol, price)


def _foreign(state: Record, symbols: list[str]) -> list[View]:
    rows: list[Any] = [state["instruments"][at] for at in range(len(symbols))]
    return [
        {"symbol": symbol, "qty": float(row["foreign_qty"]), "entry": number(float(row["foreign_price"]))}
        for symbol, row in zip(symbols, rows, strict=True)
        if row["foreign_qty"] != 0.0
    ]


def _corrections(recent: RecentRows, symbols: list[str]) -> list[View]:
    """Return what was corrected: kind, symbol and by how much."""
    return [
        {
            "seq": int(row["seq"]),
            "kind": Correction(int(row["reason"])).name,
            "symbol": symbols[int(row["instrument"])] if int(row["instrument"]) >= 0 else "",
            "amount": number(float(row["value"])),
        }
        for row in recent.of(RowKind.WARNING)
        if int(row["code"]) == WarningCode.CORRECTED
    ]
