"""Rules of instruments: what a venue's list says now against what it said before."""

from dataclasses import dataclass, fields

from tightloop.core.domain.enums import TradingStatus
from tightloop.ports.market_data import ListedInstrument

_LEFT_OUT = ("symbol", "status", "is_trading", "is_leaving")


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """An instrument whose rules or status differ, for INSTRUMENT_CHANGED; ``now`` None: it is not listed any more."""

    instrument: int
    before: ListedInstrument
    now: ListedInstrument | None
    status: TradingStatus
    changed: tuple[str, ...]  # names of the fields that differ


def changed_rules(before: tuple[ListedInstrument, ...], now: tuple[ListedInstrument, ...]) -> tuple[RulesChanged, ...]:
    """Compare the session's instruments (in the core's order) with a venue's list of now."""
    listed = {one.symbol: one for one in now}
    found = []
    for instrument, old in enumerate(before):
        new = listed.get(old.symbol)
        if new is None:
            found.append(RulesChanged(instrument, old, None, TradingStatus.DELISTED, ("symbol",)))
            continue
        names = [one.name for one in fields(old) if one.name not in _LEFT_OUT]
        # NaN is unknown on both sides: repr tells equal unknowns as equal.
        changed = [name for name in names if repr(getattr(old, name)) != repr(getattr(new, name))]
        if status_of(old) != status_of(new):
            changed.append("status")
        if changed:
            found.append(RulesChanged(instrument, old, new, status_of(new), tuple(changed)))
    return tuple(found)


def status_of(listed: ListedInstrument) -> TradingStatus:
    """Return whether a venue takes entries of an instrument, by what its list says."""
    if listed.is_leaving:
        return TradingStatus.DELISTED
    return TradingStatus.TRADING if listed.is_trading else TradingStatus.HALTED
