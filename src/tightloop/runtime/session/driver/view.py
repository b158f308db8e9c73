"""What a session looks like from outside, in the words of a venue: open orders, fills, positions, wallet, hash.

Keys and units are those of the twin's ``/_twin/truth``, so that comparing the two is a loop over lists: quantities in
base units, positive for orders and fills, signed for positions; times in ns UTC; None for what is not known.
"""

import math
from typing import Any

from tightloop.core.domain.enums import InstanceState, OrderKind, OrderState, RowKind, Side, WarningCode
from tightloop.core.domain.types import Record
from tightloop.core.trading.control import FLATTENED
from tightloop.core.trading.ledger import WALLET
from tightloop.model.signal.plan import Plan
from tightloop.runtime import views
from tightloop.runtime.results.reasons import refusal_of
from tightloop.runtime.session.driver.recent import RecentRows
from tightloop.runtime.session.driver.session import state_hash

View = dict[str, Any]


def number(value: float) -> float | None:
    """Return a number for JSON: None where it is not known."""
    return float(value) if math.isfinite(value) else None


def order_name(number: int) -> str:
    """Return an order's id as tables of runs have it: the step that made it, and which of that step."""
    return f"{number >> 16}-{number & 0xFFFF}"


def view(plan: Plan, recent: RecentRows) -> View:
    """Return the view of a plan's State, with the last fills and funding payments."""
    state = plan.states[0]
    names = [str(instrument) for instrument in plan.instruments]
    symbols = [instrument.symbol for instrument in plan.instruments]
    sizes = [float(row["multiplier"]) for row in state["instruments"][: len(names)]]
    return {
        "now_ns": int(state["ts_ns"]),
        "seq": int(state["seq"]),
        "state_hash": state_hash(plan),
        "wallet": float(state["balances"][WALLET]),
        "equity": float(state["equity"]),
        "orders": _orders(state, symbols, sizes),
        "fills": _fills(recent, symbols, sizes),
        "positions": _positions(state, symbols, sizes),
        "marks": _marks(state, names),
        "gains": _gains(state, sizes),
        "funding": _funding(recent, symbols),
        "instances": _instances(plan, state, names),
        "refused": _refused(plan, recent, symbols, sizes),
        "warnings": _warnings(recent, symbols),
        "unknown": [],
        "foreign": [],
        "corrections": [],
        "outside": 0.0,
    }


def _orders(state: Record, symbols: list[str], sizes: list[float]) -> list[View]:
    found = []
    for order in state["orders"][: int(state["order_high"])]:
        if order["id"] == 0:
            continue
        at = int(order["instrument"])
        found.append(
            {
                "order_id": order_name(int(order["id"])), "client_id": order_name(int(order["id"])),
                "symbol": symbols[at],
                "side": Side(int(order["side"])).name, "type": OrderKind(int(order["kind"])).name,
                "qty": float(order["qty"]) * sizes[at], "price": number(order["price"]),
                "stop_price": number(order["stop_price"]), "reduce_only": bool(order["reduce_only"]),
                "state": OrderState(int(order["state"])).name, "cum_qty": float(order["filled_qty"]) * sizes[at],
            }
        )  # fmt: skip
    return found


def _fills(recent: RecentRows, symbols: list[str], sizes: list[float]) -> list[View]:
    found: list[View] = []
    counts: dict[str, int] = {}
    for row in recent.of(RowKind.FILL):
        name, at = order_name(int(row["order_id"])), int(row["instrument"])
        counts[name] = counts.get(name, 0) + 1
        found.append(
            {
                "trade_id": f"{name}.{counts[name]}", "order_id": name, "client_id": name,
                "symbol": symbols[at], "side": Side(int(row["side"])).name, "qty": float(row["qty"]) * sizes[at],
                "price": float(row["price"]), "fee": number(row["fee"]), "is_maker": bool(row["is_maker"]),
                "ts_ns": int(row["ts_ns"]),
            }
        )  # fmt: skip
    return found


def _positions(state: Record, symbols: list[str], sizes: list[float]) -> list[View]:
    """Return what is held of each symbol, with its figures as ``runtime/views.py`` computes them."""
    by_symbol: dict[int, list[Record]] = {}
    for number_, position in enumerate(state["positions"][: int(state["instance_count"])]):
        if float(position["qty"]) != 0.0:
            by_symbol.setdefault(int(state["instances"][number_]["instrument"]), []).append(position)
    found = []
    for at, rows in by_symbol.items():
        held = sum(float(row["qty"]) for row in rows)
        if held == 0.0:
            continue
        entry = number(sum(float(row["qty"]) * float(row["entry_price"]) for row in rows) / held)
        qty, mark = held * sizes[at], number(state["instruments"][at]["mark"])
        is_one = len(rows) == 1  # of several, each has a liquidation price of its own
        liquidation = number(rows[0]["liquidation_price"]) if is_one else None
        unrealized = views.unrealized_of(qty, entry, mark)
        found.append(
            {
                "symbol": symbols[at], "qty": qty, "entry": entry, "mark": mark, "unrealized": unrealized,
                "unrealized_pct": views.share_pct(unrealized, None if entry is None else abs(qty) * entry),
                "liquidation_price": liquidation, "liquidation_distance_pct": views.distance_pct(liquidation, mark),
                "cushion_pct": views.cushion_pct(qty, entry, mark, number(rows[0]["margin"]), liquidation),
            }
        )  # fmt: skip
    return found


def _marks(state: Record, names: list[str]) -> list[View]:
    """Return the mark of each instrument, and when it was received."""
    marks = state["instruments"][: len(names)]
    return [
        {"instrument": name, "mark": number(row["mark"]), "received_ns": int(row["touched_ns"])}
        for name, row in zip(names, marks, strict=True)
    ]


def _gains(state: Record, sizes: list[float]) -> list[View]:
    """Return the open P&L of each instance that holds something, in money and in % of what was paid for it.

    ``liquidation_distance_pct``: from the mark.
    """
    found = []
    for instance, position in enumerate(state["positions"][: int(state["instance_count"])]):
        if (held := float(position["qty"])) != 0.0:
            at = int(state["instances"][instance]["instrument"])
            row = state["instruments"][at]
            qty, entry, mark = held * sizes[at], number(position["entry_price"]), number(row["mark"])
            gain = views.unrealized_of(qty, entry, mark)
            paid = None if entry is None else abs(qty) * entry
            found.append({
                "instance": instance, "received_ns": int(row["touched_ns"]), "unrealized": gain,
                "unrealized_pct": views.share_pct(gain, paid),
                "liquidation_distance_pct": views.distance_pct(number(position["liquidation_price"]), mark),
            })  # fmt: skip
    return found


def _funding(recent: RecentRows, symbols: list[str]) -> list[View]:
    return [
        {
            "symbol": symbols[int(row["instrument"])],
            "amount": float(row["funding"]),
            "rate": float(row["value"]),
            "ts_ns": int(row["ts_ns"]),
        }
        for row in recent.of(RowKind.FUNDING)
    ]


def _instances(plan: Plan, state: Record, names: list[str]) -> list[View]:
    return [
        {
            "strategy": int(row["strategy"]),
            "name": plan.strategies[int(row["strategy"])].read.name,
            "instrument": names[int(row["instrument"])],
            "state": InstanceState(int(row["state"])).name,
            "killed": bool(int(row["killed"]) & ~FLATTENED),
        }
        for row in state["instances"][: int(state["instance_count"])]
    ]


def _refused(plan: Plan, recent: RecentRows, symbols: list[str], sizes: list[float]) -> list[View]:
    """Return what did not come to be, by strategy, symbol, state and reason; each with the last order of its kind."""
    state, found = plan.states[0], dict[tuple[int, int, int, int], View]()
    for row in recent.refused():
        instance, at, code, reason = (int(row[name]) for name in ("instance", "instrument", "code", "reason"))
        is_signal = int(row["kind"]) == RowKind.SECTION
        key = instance, at, -1 if is_signal else code, reason
        ts_ns, before = int(row["ts_ns"]), found.pop(key, None)  # the latest of them stand last
        strategy = int(state["instances"][instance]["strategy"]) if instance >= 0 else -1
        found[key] = {
            "name": plan.strategies[strategy].read.name if strategy >= 0 else None,
            "symbol": symbols[at],
            "state": "SUPPRESSED" if is_signal else OrderState(code).name,
            "reason": refusal_of(reason, is_ending=instance >= 0 and _is_ending(state, instance)),
            "count": 1 if before is None else before["count"] + 1,
            "first_ts_ns": ts_ns if before is None else before["first_ts_ns"],
            "ts_ns": ts_ns,
            "order_id": None if is_signal else order_name(int(row["order_id"])),
            "side": None if is_signal else Side(int(row["side"])).name,
            "qty": None if is_signal else number(float(row["qty"]) * sizes[at]),
            "price": number(float(row["price"])),
            "reduce_only": None if is_signal else bool(row["reduce_only"]),
        }
    return list(found.values())


def _is_ending(state: Record, instance: int) -> bool:
    """Return whether an instance takes no entries because its session ends, and no kill switch is engaged."""
    return state["killed"] == 0 and int(state["instances"][instance]["killed"]) == FLATTENED


def _warnings(recent: RecentRows, symbols: list[str]) -> list[View]:
    """Return the kept warnings by code and symbol, with the value of the last."""
    found = dict[tuple[int, int], View]()
    for row in recent.of(RowKind.WARNING) if recent.counts[RowKind.WARNING] else ():
        code, at, ts_ns = int(row["code"]), int(row["instrument"]), int(row["ts_ns"])
        before = found.pop((code, at), None)
        found[code, at] = {
            "code": WarningCode(code).name,
            "symbol": symbols[at] if at >= 0 else None,
            "count": 1 if before is None else before["count"] + 1,
            "ts_ns": ts_ns,
            "value": number(float(row["value"])),
        }
    return list(found.values())
