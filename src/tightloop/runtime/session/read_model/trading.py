"""Orders, fills and positions, from the rows that the step wrote of them.

A position is known by its trade: its fills, with the order of each, say what was entered and left; the TRADE row that
ends it says what came of it. Orders that have ended are kept for a while, because a fill may be told of after the end.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from tightloop.core.domain.enums import OrderKind, OrderState, Role, RowKind, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.limits import NEVER_NS
from tightloop.ports.read_model import TableRow, Value
from tightloop.runtime.results.denials import meaning
from tightloop.runtime.results.reasons import EXIT_REASONS, REASONS
from tightloop.runtime.session.driver.view import order_name
from tightloop.runtime.session.read_model.rows import PlanNames, Values, real

ENDED_KEPT = 1_024
ENDED = (OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED)
_SIDES = {1: "BUY", -1: "SELL"}
_PROTECTION = {Role.STOP_LOSS: "stop", Role.TRAILING: "stop", Role.TAKE_PROFIT: "target"}
_ORIGINS = {Role.LIQUIDATION: "liquidation", Role.MANUAL: "manual"}


class TradingRows:
    """Orders, fills and positions of one session so far."""

    def __init__(self, names: PlanNames) -> None:
        self._names = names
        self.orders: dict[int, Values] = {}
        self._over: OrderedDict[int, None] = OrderedDict()  # orders that have ended, the first first
        self._leverages: dict[int, float | None] = {}
        self._sent: set[int] = set()  # orders that the step has sent; others are of the venue
        self._positions: dict[int, Values] = {}  # open ones, by trade
        self._ended: dict[int, tuple[int, int, float]] = {}
        """By instance: the step in which a trade ended, the trade, and what was left of it before."""
        self._protecting: dict[tuple[int, str], int] = {}  # by trade and column: the order that is there
        self._fill_count = 0

    def order(self, row: Record, seq: int, n: int) -> Iterator[TableRow]:
        """Yield the rows of a SUBMIT, AMEND or ORDER row, with the denial if it is one."""
        number, state = int(row["order_id"]), OrderState(int(row["code"]))
        order = self.orders.get(number)
        if order is None:
            order = self.orders[number] = self._new_order(row)
            self._leverages[number] = real(row["leverage"])
            if int(row["kind"]) == RowKind.SUBMIT:
                self._sent.add(number)
        is_unknown = state == OrderState.IN_FLIGHT
        ts_ns = int(row["ts_ns"])
        expires_ns = int(row["expires_ns"])
        order |= {
            "seq": seq, "qty": self._qty(row, "qty"), "price": real(row["price"]),
            "stop_price": real(row["stop_price"]), "state": state.name, "reason": REASONS.get(int(row["reason"])),
            "filled_qty": self._qty(row, "threshold"), "avg_price": real(row["exit_price"]), "updated_ts": ts_ns,
            "expires_ts": expires_ns if 0 < expires_ns < NEVER_NS else None,
            "unknown_since_ts": (order["unknown_since_ts"] or ts_ns) if is_unknown else None,
        }  # fmt: skip
        if state == OrderState.ACCEPTED and order["acked_ts"] is None:
            order["acked_ts"] = ts_ns
        yield TableRow("orders", dict(order))
        if state == OrderState.DENIED:
            yield self._denial(row, seq, n)
        yield from self._protect(row, state, seq)
        if state in ENDED:
            self._end(number)

    def _new_order(self, row: Record) -> Values:
        number = int(row["order_id"])
        return {
            "order_id": order_name(number), "signal_id": self._names.signal(row), "client_id": order_name(number),
            "venue_order_id": None, "venue_text": None, "trade_id": None, **self._names.of(row),
            "side": _SIDES[int(row["side"])], "type": OrderKind(int(row["order_kind"])).name.lower(),
            "role": Role(int(row["role"])).name.lower(),
            "tif": TimeInForce(int(row["tif"])).name if int(row["tif"]) else None,
            "reduce_only": int(row["reduce_only"]), "submitted_ts": int(row["ts_ns"]), "acked_ts": None,
            "unknown_since_ts": None, "fees": 0.0, "slippage": 0.0,
        }  # fmt: skip

    def _end(self, number: int) -> None:
        """Keep an order that has ended for a while; a fill after its end tells the end again."""
        self._over[number] = None
        self._over.move_to_end(number)
        if len(self._over) > ENDED_KEPT:
            oldest, _ = self._over.popitem(last=False)
            del self.orders[oldest]
            self._leverages.pop(oldest, None)
            self._sent.discard(oldest)

    def _denial(self, row: Record, seq: int, n: int) -> TableRow:
        reason = REASONS.get(int(row["reason"]))
        known = self._names.of(row)
        what, remedy = meaning(reason or "")
        return TableRow("denials", {
            "seq": seq, "n": n, "ts": int(row["ts_ns"]), "signal_id": self._names.signal(row),
            "order_id": self._names.order(row), "instance": known["instance"], "instrument": known["instrument"],
            "check_name": reason, "reason": reason, "asked": self._qty(row, "qty"), "allowed": None,
            "text": f"{what}; {remedy}" if what else None,
        })  # fmt: skip

    def _protect(self, row: Record, state: OrderState, seq: int) -> Iterator[TableRow]:
        """Yield the position whose stop or target a row moves, sets or ends."""
        name = _PROTECTION.get(Role(int(row["role"])))
        position = self.open_of(int(row["instance"])) if name else None
        if name is None or position is None:
            return
        number, trade_id = int(row["order_id"]), int(str(position["trade_id"]))
        if state in ENDED:
            if self._protecting.get((trade_id, name)) != number:
                return  # another one has taken its place
            del self._protecting[trade_id, name]
            wanted = None
        else:
            self._protecting[trade_id, name] = number
            wanted = real(row["stop_price"]) if name == "stop" else real(row["price"])
        if position[name] != wanted:
            position |= {name: wanted, "seq": seq, "updated_ts": int(row["ts_ns"])}
            yield TableRow("positions", dict(position))

    def open_of(self, instance: int) -> Values | None:
        """Return the open position of an instance, if there is one."""
        return next((one for one in self._positions.values() if one["instance"] == instance), None)

    def fill(self, row: Record, seq: int) -> Iterator[TableRow]:
        """Yield the fill, its order and its position."""
        self._fill_count += 1
        number, role = int(row["order_id"]), Role(int(row["role"]))
        origin = "ours" if number in self._sent else _ORIGINS.get(role, "found")
        yield TableRow("fills", {
            "fill_id": self._fill_count, "seq": seq, "signal_id": self._names.signal(row),
            "order_id": order_name(number) if number else None, "venue_trade_id": None, "trade_id": int(row["slot"]),
            **self._names.of(row), "ts": int(row["entry_ns"]), "side": _SIDES[int(row["side"])],
            "role": role.name.lower(), "qty": self._qty(row, "qty"), "price": real(row["price"]),
            "fee": real(row["fee"]), "fee_asset": self._names.plan.settle_asset, "slippage": real(row["slippage"]),
            "liquidity": "maker" if row["is_maker"] else "taker", "origin": origin,
        })  # fmt: skip
        order = self.orders.get(number)
        if order is not None:
            order |= {"seq": seq, "trade_id": int(row["slot"]), "fees": _sum(order["fees"], row["fee"]),
                      "slippage": _sum(order["slippage"], row["slippage"])}  # fmt: skip
            yield TableRow("orders", dict(order))
        step, ended_id, left = self._ended.pop(int(row["instance"]), (-1, 0, 0.0))
        is_end = step == int(row["seq"])  # of a fill that ends a trade, the TRADE row stands before it
        if not is_end or int(row["slot"]) != ended_id:
            yield self._filled(row, seq, left if is_end else 0.0)

    def _filled(self, row: Record, seq: int, taken: float) -> TableRow:
        """Book a fill of a position: it adds to it on its side, and takes from it on the other.

        ``taken``: quantity of the fill that ended the position before it.
        """
        trade_id, side = int(row["slot"]), int(row["side"])
        position = self._positions.get(trade_id)
        if position is None:
            position = self._positions[trade_id] = self._new_position(row)
        qty, price = (self._qty(row, "qty") or 0.0) - taken, float(row["price"])
        is_entry = position["side"] == ("LONG" if side > 0 else "SHORT")
        kind = "entry" if is_entry else "exit"
        held: Any = position[f"{kind}_qty"] or 0.0
        average: Any = position[f"{kind}_price"] or 0.0
        position |= {
            "seq": seq, f"{kind}_qty": held + qty, f"{kind}_price": (average * held + price * qty) / (held + qty),
            "fees": _sum(position["fees"], row["fee"]), "slippage": _sum(position["slippage"], row["slippage"]),
            "updated_ts": int(row["ts_ns"]),
        }  # fmt: skip
        if not is_entry:
            entry_price: Any = position["entry_price"]
            direction = 1.0 if position["side"] == "LONG" else -1.0
            position["realized"] = _sum(position["realized"], direction * (price - entry_price) * qty)
        entered: Any = position["entry_qty"] or 0.0
        left: Any = position["exit_qty"] or 0.0
        position["qty"] = max(0.0, entered - left) * (1.0 if position["side"] == "LONG" else -1.0)
        return TableRow("positions", dict(position))

    def _new_position(self, row: Record) -> Values:
        return {
            "trade_id": int(row["slot"]), "signal_id": self._names.signal(row), **self._names.of(row),
            "side": "LONG" if int(row["side"]) > 0 else "SHORT", "qty": 0.0, "entry_price": None, "entry_qty": 0.0,
            "exit_qty": 0.0, "exit_price": None, "leverage": self._leverages.get(int(row["order_id"])),
            "margin": None, "liquidation_price": None, "stop": None, "target": None, "realized": 0.0, "fees": 0.0,
            "funding": 0.0, "slippage": 0.0, "opened_ts": int(row["entry_ns"]), "closed_ts": None,
            "status": "open", "exit_reason": None,
        }  # fmt: skip

    def trade(self, row: Record, seq: int) -> TableRow:
        """Return the position that a TRADE row ended."""
        trade_id, role = int(row["slot"]), Role(int(row["role"]))
        position = self._positions.pop(trade_id, None) or self._new_position(row)
        left: Any = position["qty"]
        self._ended[int(row["instance"])] = int(row["seq"]), trade_id, abs(left)
        for name in ("stop", "target"):
            self._protecting.pop((trade_id, name), None)
        size = self._names.sizes[int(row["instrument"])]
        costs = float(row["fee"]) - float(row["funding"])
        position |= {
            "seq": seq, "qty": 0.0, "side": "LONG" if int(row["side"]) > 0 else "SHORT",
            "entry_qty": float(row["qty"]) * size, "exit_qty": float(row["qty"]) * size,
            "entry_price": real(row["price"]), "exit_price": real(row["exit_price"]),
            "realized": real(float(row["pnl"]) + costs), "fees": real(row["fee"]), "funding": real(row["funding"]),
            "slippage": real(row["slippage"]), "opened_ts": int(row["entry_ns"]), "closed_ts": int(row["exit_ns"]),
            "updated_ts": int(row["ts_ns"]), "stop": None, "target": None, "margin": None, "liquidation_price": None,
            "status": "liquidated" if role == Role.LIQUIDATION else "closed", "exit_reason": EXIT_REASONS[role],
        }  # fmt: skip
        return TableRow("positions", dict(position))

    def funding(self, row: Record, seq: int, n: int) -> Iterator[TableRow]:
        """Yield the payment, and the position that it was of."""
        trade_id = int(row["slot"])
        yield TableRow("funding", {
            "seq": seq, "n": n, "ts": int(row["ts_ns"]), "trade_id": trade_id, "signal_id": None,
            "instrument": self._names.of(row)["instrument"], "rate": real(row["value"]), "amount": real(row["funding"]),
        })  # fmt: skip
        position = self._positions.get(trade_id)
        if position is not None:
            position |= {"seq": seq, "funding": _sum(position["funding"], row["funding"]),
                         "updated_ts": int(row["ts_ns"])}  # fmt: skip
            yield TableRow("positions", dict(position))

    def _qty(self, row: Record, name: str) -> float | None:
        """Return a quantity of lots in base units."""
        return real(float(row[name]) * self._names.sizes[int(row["instrument"])])


def _sum(before: Value, more: float) -> float | None:
    """Add what may not be known: from then on the sum is not."""
    assert not isinstance(before, str), "a sum is a number"
    return None if before is None else real(float(before) + float(more))
