"""The venue on bars in plain Python: what fills at an open, what inside a bar, and at which price.

Prices are compared through the side of the position or order: ``side * (price - level)`` is above 0 on the good side
of a level for who is long, and so on for who is short.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from differential.account import Account
from differential.books import Books
from differential.domain import TIE, Instance, Instrument, Order, floor_to
from differential.indicators import Bar
from differential.protection import follow, protect
from differential.trees import Doubt


@dataclass
class Venue:
    """Matches what waits against bars and tells the books."""

    account: Account
    books: Books
    doubt: Doubt
    untouched: int = 0  # stops that a bar left aside: opened beyond, closed on the good side, entered by a stop

    # Prices

    def is_beyond(self, side: int, price: float, level: float) -> bool:
        """Whether a price lies strictly on the gaining side of a level."""
        self.doubt.of(price, level)
        return side * (price - level) > 0

    def slipped(self, own: Instance, order: Order, price: float, qty: float, volume: float) -> float:
        slippage = own.strategy.costs.get("slippage") or {"type": "none"}
        if slippage["type"] == "none" or order.role == "liquidation":
            return price
        bps = slippage.get("bps", 0.0)
        if slippage["type"] == "impact":
            share = qty * own.instrument.multiplier / volume if volume > 0 else 1.0
            bps = slippage["half_spread_bps"] + slippage["coefficient"] * sqrt(share)
        found = price * (1.0 + order.side * bps / 1e4)
        limit = order.price
        if limit is not None and order.type in ("limit", "stop_limit") and order.side * (found - limit) > 0:
            return limit
        return found

    def take(self, own: Instance, order: Order, price: float, now_ns: int, *, at_open: bool, qty: float = 0.0) -> None:
        """Fill as a taker: with slippage, but for a liquidation."""
        instrument = own.instrument
        qty = qty or order.qty
        volume = instrument.volume_before if at_open else instrument.bars[instrument.at].volume
        self.books.fill(own, order, qty, self.slipped(own, order, price, qty, volume), price, "taker", now_ns)

    def make(self, own: Instance, order: Order, price: float, now_ns: int) -> None:
        self.books.fill(own, order, order.qty, price, price, "maker", now_ns)

    # The open of a bar

    def at_open(self, instrument: Instrument, now_ns: int) -> None:
        price = instrument.bars[instrument.at].open
        for own in self.instances_on(instrument):
            if own.entry and own.entry.is_open and own.entry.expires_ts is not None:
                if own.entry.expires_ts <= now_ns:
                    self.books.give_up(own, "EXPIRED", "ttl", now_ns)
            if own.position:
                if own.exit and own.exit.is_open:
                    self.take(own, own.exit, price, now_ns, at_open=True, qty=own.position.qty)
                else:
                    self.protect_at_open(own, price, now_ns)
            elif own.entry and own.entry.is_open:
                self.enter_at_open(own, own.entry, price, now_ns)

    def protect_at_open(self, own: Instance, price: float, now_ns: int, is_new: bool = False) -> None:
        """Stop or liquidation price, then targets; what is left follows the open."""
        if self.adverse(own, price, price, now_ns, at_open=True):
            return
        for target in list(own.targets):
            position = own.position
            if position and target.is_open and target.price is not None:
                if self.is_beyond(position.side, price, target.price):
                    if is_new or target.is_marketable:
                        self.take(own, target, price, now_ns, at_open=True, qty=target.qty)
                    else:
                        self.make(own, target, price, now_ns)
        if own.position and not is_new:
            follow(own, price, now_ns)

    def adverse(self, own: Instance, reached: float, price: float, now_ns: int, *, at_open: bool) -> bool:
        """Fill stop or liquidation, whichever lies nearer, when ``reached`` is at or beyond it; whether one did.

        At an open the price of the fill is that open, else the level.
        """
        position, instrument = own.position, own.instrument
        assert position is not None
        side = position.side
        stop = own.stop.stop_price if own.stop and own.stop.is_open else None
        liquidation = instrument.liquidation_price(side, position.entry, position.qty, position.leverage)
        is_stopped = stop is not None and not self.is_beyond(side, reached, stop)
        is_passed = at_open and own.stop is not None and own.stop.is_triggered
        is_stopped |= is_passed
        is_liquidated = liquidation is not None and not self.is_beyond(side, reached, liquidation)
        if not is_stopped and not is_liquidated:
            return False
        if is_stopped and is_liquidated:
            assert stop is not None
            assert liquidation is not None
            is_liquidated = side * (stop - liquidation) < 0 and not is_passed
        if not is_liquidated:
            assert own.stop is not None
            assert stop is not None
            self.take(own, own.stop, price if at_open else stop, now_ns, at_open=at_open)
            return True
        assert liquidation is not None
        order = Order(
            own.strategy.name, instrument.name, -side, "market", "liquidation", position.qty, now_ns
        )  # fmt: skip
        self.books.orders.append(order)
        self.take(own, order, price if at_open else liquidation, now_ns, at_open=at_open)
        order.reason = "liquidated"
        return True

    def enter_at_open(self, own: Instance, order: Order, price: float, now_ns: int) -> None:
        """An entry that waits, at the open of a bar."""
        is_new, order.is_new = order.is_new, False
        if order.type in ("stop", "stop_limit") and not order.is_triggered:
            assert order.stop_price is not None
            if self.is_beyond(-order.side, price, order.stop_price):
                return
            order.is_triggered = is_new_limit = True
        else:
            is_new_limit = is_new  # a stop that was passed when it was sent is set off at its first open
        if order.type in ("market", "stop"):
            self.enter(own, order, price, now_ns, at_open=True)
            return
        assert order.price is not None
        if self.is_beyond(-order.side, price, order.price):
            if order.post_only and is_new:
                self.books.give_up(own, "REJECTED", "post_only_would_take", now_ns)
            elif is_new_limit:
                self.enter(own, order, price, now_ns, at_open=True)
            else:
                self.enter(own, order, price, now_ns, at_open=True, is_maker=True)
        elif order.post_only and is_new and price == order.price:
            self.books.give_up(own, "REJECTED", "post_only_would_take", now_ns)
        elif order.tif in ("IOC", "FOK"):
            self.books.give_up(own, "CANCELED", f"unfilled_{order.tif.lower()}", now_ns)

    def enter(
        self, own: Instance, order: Order, price: float, now_ns: int, *, at_open: bool, is_maker: bool = False
    ) -> None:
        """Fill an entry and protect what it brought; at an open, the protection meets that open."""
        instrument = own.instrument
        qty, left = order.qty, 0.0
        volume = instrument.volume_before if at_open else instrument.bars[instrument.at].volume
        paid = price if is_maker else self.slipped(own, order, price, qty, volume)
        if not instrument.has_margin:
            fee = own.strategy.fee_bps(instrument, "maker" if is_maker else "taker") / 1e4
            money, unit = self.account.free(instrument, own), instrument.multiplier * (1.0 + fee)
            self.doubt.near(qty * paid * unit, money * (1.0 + TIE))
            if qty * paid * unit > money * (1.0 + TIE):
                most = money / (paid * unit)
                if not is_maker and (own.strategy.costs.get("slippage") or {}).get("type") == "impact":
                    most = self.paid_with(own, order, price, volume, money / unit)
                qty = max(floor_to(most, instrument.lot), 0.0)
                paid = price if is_maker else self.slipped(own, order, price, qty, volume)
                left = order.qty - qty
        if qty > 0:
            self.books.fill(own, order, qty, paid, price, "maker" if is_maker else "taker", now_ns)
        if left:
            self.books.give_up(own, "CANCELED", "insufficient_cash", now_ns)
        if own.position:
            own.position.is_inside = not at_open
            own.position.is_by_stop = not at_open and own.is_set_off and not is_maker
            self.books.orders.extend(protect(own, now_ns))
            if at_open:
                self.protect_at_open(own, price, now_ns, is_new=True)

    def paid_with(self, own: Instance, order: Order, price: float, volume: float, money: float) -> float:
        """How much money buys where the price follows the quantity: less is cheaper."""
        low, high = 0.0, order.qty
        for _ in range(100):
            part = (low + high) / 2.0
            is_paid = part * self.slipped(own, order, price, part, volume) <= money * (1.0 + TIE)
            low, high = (part, high) if is_paid else (low, part)
        return low

    # Inside a bar

    def inside(self, instrument: Instrument, now_ns: int) -> None:
        """What happened in the bar that ends now."""
        bar = instrument.bars[instrument.at]
        for own in self.instances_on(instrument):
            if own.position:
                self.protect_inside(own, bar, now_ns)
            elif own.entry and own.entry.is_open:
                expires_ts = own.entry.expires_ts
                if expires_ts is None or expires_ts >= now_ns:
                    self.enter_inside(own, own.entry, bar, now_ns)
                if own.entry and own.entry.is_open and expires_ts is not None and expires_ts <= now_ns:
                    self.books.give_up(own, "EXPIRED", "ttl", now_ns)
            if own.position:
                own.position.is_inside = False
        instrument.volume_before = bar.volume

    def enter_inside(self, own: Instance, order: Order, bar: Bar, now_ns: int) -> None:
        reached = bar.low if order.side > 0 else bar.high  # the better extreme of who wants in by a limit
        passed = bar.high if order.side > 0 else bar.low  # the worse one, which sets off a stop
        if order.type in ("stop", "stop_limit") and not order.is_triggered:
            assert order.stop_price is not None
            if self.is_beyond(-order.side, passed, order.stop_price):
                return
            order.is_triggered = own.is_set_off = True
            if order.type == "stop" or self.is_beyond(order.side, order.price or 0.0, order.stop_price):
                self.enter(own, order, order.stop_price, now_ns, at_open=False)
            elif self.is_beyond(-order.side, bar.close, order.price or 0.0):
                self.enter(own, order, order.price or 0.0, now_ns, at_open=False, is_maker=True)
        elif order.type in ("limit", "stop_limit"):
            assert order.price is not None
            if self.is_beyond(-order.side, reached, order.price):
                self.enter(own, order, order.price, now_ns, at_open=False, is_maker=True)
        if own.position:
            self.protect_inside(own, bar, now_ns)
        own.is_set_off = False

    def protect_inside(self, own: Instance, bar: Bar, now_ns: int) -> None:
        """Stop or liquidation, then targets, then the trail. What an entry inside leaves open is read as the worse."""
        position = own.position
        assert position is not None
        side = position.side
        worst, best = (bar.low, bar.high) if side > 0 else (bar.high, bar.low)
        reached = worst
        if position.is_by_stop and position.is_inside:
            reached = self.certain(own, bar, worst)
        if self.adverse(own, reached, reached, now_ns, at_open=False):
            return
        gained = bar.close if position.is_inside else best
        for target in list(own.targets):
            if own.position and target.is_open and target.price is not None:
                target.is_marketable = position.is_inside and self.is_beyond(side, worst, target.price)
                if not target.is_marketable and self.is_beyond(side, gained, target.price):
                    self.make(own, target, target.price, now_ns)
        if own.position and own.stop and own.stop.role == "trailing":
            moved = follow(own, gained, now_ns, is_close=True)
            level = own.stop.stop_price
            if level is not None and moved and not position.is_inside and self.is_beyond(-side, bar.close, level):
                self.take(own, own.stop, level, now_ns, at_open=False)
            elif level is not None:  # one that only a shorter distance put beyond the close was passed already
                own.stop.is_triggered = self.is_beyond(-side, bar.close, level)

    def certain(self, own: Instance, bar: Bar, worst: float) -> float:
        """In the bar of an entry by a stop: how far price certainly came, as far as the protective stop asks."""
        position = own.position
        assert position is not None
        side = position.side
        liquidation = own.instrument.liquidation_price(side, position.entry, position.qty, position.leverage)
        levels = [own.stop.stop_price if own.stop else None, liquidation]
        level = max((at for at in levels if at is not None), key=lambda at: side * at, default=None)
        if level is None or self.is_beyond(position.side, bar.open, level):
            return worst
        if not self.is_beyond(position.side, bar.close, level):
            return worst
        self.untouched += 1
        return bar.close

    def instances_on(self, instrument: Instrument) -> Iterator[Instance]:
        return (own for own in self.account.instances if own.instrument is instrument)
