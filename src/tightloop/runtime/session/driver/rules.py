"""Rules of instruments while a session runs: asked again and again, and told to the step when they have changed.

State has the rules by which orders are made, so what a list says is held against State: a session that was dead while
rules changed finds it at its first look. A number that the venue does not say stays as it is. Fields that State does
not have (price bands, assets, margin tiers) are held against the list before, and only said to people.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase, TradingStatus
from tightloop.core.domain.types import EVENT, Record, Rows
from tightloop.ports.market_data import ListedInstrument, ListInstruments, Market, PublicRequest
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.reconcile.rules import RulesChanged, changed_rules

EVERY_S, APART_S = 900.0, 5.0
"""How often the list is asked for; and how soon again, when refusals say that rules are old."""
_OF_STATE = {
    "price_increment": "price_increment", "lot_size": "lot_size", "multiplier": "multiplier",
    "min_notional": "min_notional", "qty_max": "qty_max", "market_qty_max": "market_qty_max",
}  # fmt: skip
"""Fields of ListedInstrument that INSTRUMENT has, by its names."""


class RulesWatch:
    """Watches the rules of a session's instruments. ``symbols``: number of an instrument by the venue's symbol.

    ``on_change`` is called before the step is told.
    """

    def __init__(
        self,
        session: Session,
        ask: Callable[[PublicRequest], Awaitable[list[Market]]],
        symbols: Mapping[str, int],
        on_change: Callable[[RulesChanged], None],
    ) -> None:
        self.session, self._ask, self._on_change = session, ask, on_change
        self._symbols = sorted(symbols, key=symbols.__getitem__)
        self._seen: dict[str, ListedInstrument] = {}
        self.soon = asyncio.Event()
        """Set when an answer of the venue says that our rules are old."""

    async def follow(self) -> None:
        """Look for ever; raises what ``ask`` does."""
        while True:
            self.soon.clear()
            await self.look()
            await asyncio.sleep(APART_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S - APART_S):
                    await self.soon.wait()

    async def look(self) -> None:
        """Ask once, and tell what has changed; raises what ``ask`` does."""
        self.take([one for one in await self._ask(ListInstruments()) if isinstance(one, ListedInstrument)])

    def take(self, listed: Iterable[ListedInstrument]) -> None:
        """Take the venue's list, and tell what has changed."""
        instruments = self.session.plan.states[0]["instruments"]
        there = {one.symbol: one for one in listed}
        before, now = [], []
        for at, symbol in enumerate(self._symbols):
            row = instruments[at]
            if symbol in there:
                stated = _filled_up(there[symbol], row)
                now.append(stated)
                before.append(_as_state_has_it(self._seen.get(symbol, stated), row))
                self._seen[symbol] = stated
            else:
                before.append(_unlisted(symbol, row))
        for change in changed_rules(tuple(before), tuple(now)):
            row = instruments[change.instrument]
            if change.now is None and int(row["status"]) == TradingStatus.DELISTED:
                continue  # it was told
            self._on_change(change)
            if change.now is None or not {*_OF_STATE, "status"}.isdisjoint(change.changed):
                self.session.intake.put_event(changed_event(change, row))


def _filled_up(listed: ListedInstrument, row: Record) -> ListedInstrument:
    """Return what a venue says of an instrument, with State's number where it says none."""
    unsaid = {name: float(row[field]) for name, field in _OF_STATE.items() if math.isnan(getattr(listed, name))}
    return replace(listed, **unsaid)  # type: ignore[arg-type]  # numbers of ListedInstrument by name


def _as_state_has_it(listed: ListedInstrument, row: Record) -> ListedInstrument:
    """Return an instrument with the rules and the status that State has."""
    numbers = {name: float(row[field]) for name, field in _OF_STATE.items()}
    status = int(row["status"])
    is_trading, is_leaving = status == TradingStatus.TRADING, status == TradingStatus.DELISTED
    as_it_is = replace(listed, is_trading=is_trading, is_leaving=is_leaving)
    return replace(as_it_is, **numbers)  # type: ignore[arg-type]  # numbers of ListedInstrument by name


def _unlisted(symbol: str, row: Record) -> ListedInstrument:
    """Return an instrument that the venue does not list, with the rules that State has."""
    nan = math.nan
    return _as_state_has_it(ListedInstrument(symbol, "", True, "", "", nan, nan, nan, nan, nan, nan, nan, nan), row)


def changed_event(change: RulesChanged, row: Record) -> Rows:
    """Return an INSTRUMENT_CHANGED, not stamped. ``row``: of INSTRUMENT, whose rules stay if the venue lists none."""
    rules = change.before if change.now is None else _filled_up(change.now, row)
    event = np.zeros(1, EVENT)
    event["kind"], event["phase"] = int(EventKind.INSTRUMENT_CHANGED), int(Phase.RECORD)
    event["instrument"], event["instance"], event["reason"] = change.instrument, -1, int(change.status)
    event["price"], event["qty"], event["amount"] = rules.price_increment, rules.lot_size, rules.min_notional
    event["rate"], event["high"], event["low"] = rules.multiplier, rules.qty_max, rules.market_qty_max
    return event


def words_of(change: RulesChanged) -> str:
    """Return what has changed, for people."""
    symbol, now = change.before.symbol, change.now
    if now is None:
        return f"{symbol} is not listed any more: no entries"
    said = [
        f"{name} {getattr(change.before, name)} is {getattr(now, name)}" for name in change.changed if name != "status"
    ]
    if "status" in change.changed:
        more = "" if change.status is TradingStatus.TRADING else ": no entries"
        said.append(f"{change.status.name.lower()} ({now.status}){more}")
    return f"{symbol}: {', '.join(said)}"
