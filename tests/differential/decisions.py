"""What instances decide, in plain Python: sections in their priority, timers, and the plan of an entry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from differential.account import Account, price_of
from differential.books import Books
from differential.domain import SECOND_NS, Instance, Order, Plan, ceil_to, floor_to, is_above
from differential.protection import arms_later, first_rest, level_of, steps_of
from differential.trees import Doubt

SECTIONS = ("S1", "O1", "Z1", "ZE1", "E1")


@dataclass
class Decisions:
    """Asks the sections of all instances and sends what they want."""

    account: Account
    books: Books
    doubt: Doubt
    signals: list[dict[str, Any]] = field(default_factory=list)

    # Timers

    def timers_before(self, now_ns: int) -> None:
        """All that was due between the instants: time limits and timeouts of signals."""
        due = []
        for own in self.account.instances:
            for ts_ns, kind in ((self._limit_ts(own), "time"), (self._timeout_ts(own), "timeout")):
                if ts_ns is not None and ts_ns < now_ns:
                    due.append((ts_ns, own.place, kind, own))
        for ts_ns, _, kind, own in sorted(due, key=lambda row: row[:2]):
            self._close(own, "time", ts_ns) if kind == "time" else self._forget(own, ts_ns)
            self._release(ts_ns)

    def _limit_ts(self, own: Instance) -> int | None:
        """When a position has been held long enough; None without a limit, or when it is leaving already."""
        limit = own.strategy.limits.get("max_hold_min")
        if limit is None or own.position is None or (own.exit and own.exit.is_open):
            return None
        return own.position.entry_ts + round(limit * 60 * SECOND_NS)

    def _timeout_ts(self, own: Instance) -> int | None:
        section = own.strategy.source["sections"].get("O1") or {}
        if own.state != "SIGNAL_DETECTED" or not section.get("timeout_s"):
            return None
        return own.signal_ts + round(section["timeout_s"] * SECOND_NS)

    # An evaluation

    def decide(self, now_ns: int, ended: Sequence[Instance]) -> None:
        """Step 2: exits of all instances first, then entries by confidence, then by the order of the file."""
        if ended:
            self.account.watch()
        for own in ended:
            own.values = own.values_now
            own.verdicts = {name: tree.ask(now_ns, own.values) for name, tree in own.trees.items()}
            own.evaluated_ts = now_ns
            own.evaluated_price = own.instrument.mark
            if own.state == "SIGNAL_DETECTED":
                own.peak = self._peak(own, own.peak)
        acted = {own.place for own in self.account.instances if self._leave(own, now_ns)}
        ready = [own for own in ended if own.place not in acted]
        for own in sorted(ready, key=self._rank):
            if own.state == "SIGNAL_DETECTED":
                if own.verdicts.get("Z1") is True:
                    self._enter(own, now_ns)
            elif own.state == "MONITORING":
                self._detect(own, now_ns)
        self._release(now_ns)

    def _rank(self, own: Instance) -> tuple[float, int]:
        confidence = own.strategy.source.get("confidence")
        if confidence is None:
            return (0.0, own.place)
        value = own.values[confidence] if isinstance(confidence, str) else float(confidence)
        return (float("inf") if value is None else -value, own.place)

    def _peak(self, own: Instance, peak: float | None) -> float:
        bar = own.instrument.bars[own.instrument.at]
        extreme = bar.low if own.strategy.side > 0 else bar.high
        return extreme if peak is None else (min if own.strategy.side > 0 else max)(peak, extreme)

    def _is_true(self, own: Instance, section: str, now_ns: int) -> bool:
        return own.evaluated_ts == now_ns and own.verdicts.get(section) is True

    def _leave(self, own: Instance, now_ns: int) -> bool:
        """E1, time limit, ZE1 of a position; E1 and O1 of what waits. Whether the instance changed its state."""
        if own.position:
            if own.exit and own.exit.is_open:
                if own.exit.role == "time" and self._is_true(own, "E1", now_ns) and own.state != "EMERGENCY_EXIT":
                    self._say(own, "E1", now_ns)  # its order is on the way; its cooldown follows
                    own.state = "EMERGENCY_EXIT"
                return True
            limit_ts = self._limit_ts(own)
            if self._is_true(own, "E1", now_ns):
                self._say(own, "E1", now_ns)
                self._close(own, "e1", now_ns)
                own.state = "EMERGENCY_EXIT"
            elif limit_ts is not None and limit_ts <= now_ns:
                self._close(own, "time", now_ns)
            elif self._is_true(own, "ZE1", now_ns):
                self._say(own, "ZE1", now_ns)
                self._close(own, "ze1", now_ns)
            return True
        timeout_ts = self._timeout_ts(own)
        if own.state == "ENTRY_PENDING" and self._is_true(own, "E1", now_ns) and self._cancels(own):
            self._say(own, "E1", now_ns, "e1_true")
            self._cancel(own, "e1_true", "E1", now_ns)
        elif own.state in ("SIGNAL_DETECTED", "ENTRY_PENDING") and self._is_true(own, "O1", now_ns):
            self._say(own, "O1", now_ns, "o1_true")
            self._cancel(own, "o1_true", "O1", now_ns)
        elif timeout_ts is not None and timeout_ts <= now_ns:
            self._forget(own, now_ns)
        else:
            return False
        return True

    def _cancels(self, own: Instance) -> bool:
        actions = own.strategy.source["sections"]["E1"].get("actions") or {}
        return bool(actions.get("cancel_pending", True))

    def _forget(self, own: Instance, now_ns: int) -> None:
        self._say(own, "O1", now_ns, "o1_timeout")
        self._cancel(own, "o1_timeout", "O1", now_ns)

    def _cancel(self, own: Instance, reason: str, section: str, now_ns: int) -> None:
        if own.entry and own.entry.is_open:
            own.entry.end("CANCELED", reason, now_ns)
            own.state = "RELEASING"  # free from the next evaluation on
        else:
            own.state = "MONITORING"
        own.free_ts = now_ns + own.strategy.cooldown_ns(section)

    def _release(self, now_ns: int) -> None:
        for own in self.account.instances:
            if own.state == "RELEASING":
                own.state = "MONITORING"

    def _close(self, own: Instance, role: str, now_ns: int) -> None:
        position = own.position
        assert position is not None
        own.exit = Order(
            own.strategy.name, own.instrument.name, -position.side, "market", role, position.qty, now_ns,
            updated_ts=now_ns,
        )  # fmt: skip
        self.books.orders.append(own.exit)
        own.state = "EXIT_PENDING"

    # Signals

    def _say(self, own: Instance, section: str, now_ns: int, reason: str | None = None, event: str = "fired") -> None:
        tree = own.trees.get(section)
        self.signals.append(
            {
                "ts": now_ns,
                "strategy": own.strategy.name,
                "instrument": own.instrument.name,
                "section": section,
                "event": event,
                "reason": reason,
                "price": own.evaluated_price,
                "conditions": list(tree.rows) if tree and own.evaluated_ts == now_ns else [],
            }
        )

    def _detect(self, own: Instance, now_ns: int) -> None:
        if now_ns < own.free_ts:
            return
        if own.verdicts.get("S1") is not True:
            own.suppressed = None
            return
        slots = own.strategy.limits.get("max_concurrent_positions")
        taken = sum(o.has_signal for o in self.account.instances if o.strategy is own.strategy)
        locked = any(o.has_signal for o in self.account.instances if o.instrument is own.instrument)
        held = "slots_full" if slots is not None and taken >= slots else "symbol_locked" if locked else None
        if held:
            if held != own.suppressed:
                self._say(own, "S1", now_ns, held, "suppressed")
            own.suppressed = held
            return
        own.suppressed = None
        own.state = "SIGNAL_DETECTED"
        own.signal_ts = now_ns
        own.peak = self._peak(own, None)
        ladder = own.strategy.z1.get("take_profit") or {}
        own.base = own.values[ladder["base"]] if "base" in ladder else None
        self._say(own, "S1", now_ns)
        if own.strategy.z1.get("immediate"):
            self._enter(own, now_ns)

    # An entry

    def _enter(self, own: Instance, now_ns: int) -> None:
        self._say(own, "Z1", now_ns)
        mark = own.instrument.mark
        assert mark is not None
        order, refused = self._draft(own, now_ns)
        order.asked_price = price_of(order, own.instrument)
        own.plan = Plan(order.asked_price, dict(own.values), own.peak, own.base)
        if not refused:
            refused = self._planned(own, order)
            if order.qty > 0:
                refused |= self.account.refusals(own, order.asked_price, order.qty)
        if refused and order.qty <= 0 and self.account.has_nothing():
            refused = {"ruined"}  # whatever else is wrong with an entry that was never sized
        refused |= self.account.strategy_refusals(own, now_ns)
        self.books.orders.append(order)
        if refused:
            order.reasons = frozenset(refused)
            order.end("DENIED", min(refused), now_ns)
            own.state = "MONITORING"
            return
        own.entry = order
        own.state = "ENTRY_PENDING"

    def _draft(self, own: Instance, now_ns: int) -> tuple[Order, set[str]]:
        """The entry with its prices, without a quantity; and why there is none."""
        spec, side, grid = own.strategy.order, own.strategy.side, own.instrument.increment
        order = Order(
            own.strategy.name, own.instrument.name, side, spec["type"], "entry", 0.0, now_ns,
            updated_ts=now_ns, reduce_only=False, tif=spec.get("tif", "GTC"), post_only=bool(spec.get("post_only")),
        )  # fmt: skip
        if "ttl_s" in spec:
            order.expires_ts = now_ns + round(spec["ttl_s"] * SECOND_NS)
            order.tif = "GTT" if order.tif == "GTC" else order.tif
        if spec["type"] == "market":
            return order, set()
        asked = spec.get("price", "close")
        price = own.instrument.mark if asked == "close" else own.values[asked] if isinstance(asked, str) else asked
        if price is None:
            return order, {"price_unknown"}
        price = float(price) * (1.0 + spec.get("offset_bps", 0) / 1e4)
        if spec["type"] == "limit":
            order.price = floor_to(price, grid) if side > 0 else ceil_to(price, grid)
        else:
            order.stop_price = ceil_to(price, grid) if side > 0 else floor_to(price, grid)
            assert own.instrument.mark is not None
            self.doubt.of(own.instrument.mark, order.stop_price)
            order.is_triggered = side * (own.instrument.mark - order.stop_price) > 0  # passed already
        if spec["type"] == "stop_limit":
            limit = (order.stop_price or 0.0) * (1.0 + side * spec.get("limit_offset_bps", 0) / 1e4)
            order.price = floor_to(limit, grid) if side > 0 else ceil_to(limit, grid)
        if price_of(order, own.instrument) <= 0:
            return order, {"price_unknown"}
        return order, set()

    def _planned(self, own: Instance, order: Order) -> set[str]:
        """Stop, targets and quantity of the plan; the names of what speaks against it."""
        plan, side, z1 = own.plan, own.strategy.side, own.strategy.z1
        assert plan is not None
        price = price_of(order, own.instrument)
        found = set()
        stop = None
        spec = z1.get("stop_loss")
        if spec and not arms_later(spec):
            stop = level_of(spec, own, price, plan, -1)
            if stop is None:
                return {"stop_unknown", "price_unknown"}
            stop = own.instrument.away(stop, side > 0)
            self.doubt.of(stop, price)
            if stop <= 0 or side * (price - stop) <= 0:
                return {"stop_beyond_entry", "stop_at_zero"}
        rests = first_rest(spec, own, price) if spec and arms_later(spec) else stop
        if rests is not None and rests <= 0:
            return {"stop_at_zero"}
        if z1.get("take_profit"):
            if z1["take_profit"].get("of") == "pump_retracement" and plan.base is not None:
                self.doubt.of(plan.base, plan.peak)
                if side * (plan.base - plan.peak) <= 0:
                    found.add("base_beyond_peak")  # there was no move that price could give back
            target = steps_of(z1["take_profit"], own, price, plan)[0][0]
            if target is None:
                found |= {"price_unknown", "target_unknown"}
            else:
                self.doubt.of(target, price)
                # A limit rests on the grid, a buy below its price: a short's target below one tick would rest at 0.
                if side * (target - price) <= 0 or own.instrument.away(target, side < 0) <= 0:
                    found |= {"target_beyond_entry", "target_unknown"}
                ratio = own.strategy.limits.get("min_risk_reward")
                if ratio is not None and stop is not None:
                    if is_above(ratio * abs(price - stop), abs(target - price)):
                        found.add("min_risk_reward")
        qty = self.account.size(own, price, stop)
        if qty is None:
            return found | {"size_unknown", "price_unknown"}
        order.qty = qty
        if qty <= 0:
            return found | {"qty_rounds_to_zero", "insufficient_cash", "ruined"}
        liquidation = own.instrument.liquidation_price(side, price, qty, own.strategy.leverage)
        if rests is not None and liquidation is not None and is_above(side * liquidation, side * rests):
            found.add("stop_beyond_liquidation")
        return found
