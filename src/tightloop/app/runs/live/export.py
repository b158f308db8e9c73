"""The journal of a session as a catalog: prints, quotes, funding as received, and the rules it ran by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from tightloop.adapters.data import recorded
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.markets import recorded as recorded_market
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import BookRow
from tightloop.core.domain.types import EVENT, Rows
from tightloop.model.instruments import InstrumentId
from tightloop.model.signal.portfolio import rules_of
from tightloop.runtime.session.journal import RecordKind, whole_events

_TIMES = {"ts_event_ns": "ts_event_ns", "ts_init_ns": "ts_init_ns"}
_TRADES = {**_TIMES, "trade_id": "order_id", "price": "price", "qty": "qty", "buyer_is_maker": "is_maker"}
_QUOTES = {**_TIMES, "bid": "price", "bid_qty": "qty", "ask": "rate", "ask_qty": "amount"}
_BOOKS = {**_TIMES, "seq": "order_id", "price": "price", "qty": "qty"}
_TICKS = (
    ("trades", EventKind.TRADE, _TRADES),
    ("quotes", EventKind.QUOTE, _QUOTES),
    ("books", EventKind.BOOK_LEVEL, _BOOKS),
)
_RATES = {"ts_ns": "ts_init_ns", "rate": "rate"}


def write_catalog(home: Home, about: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Write the catalog; returns how many rows of each kind. Raises InputError if one is there already."""
    recorded.check_catalog(out)
    facts = facts_of(home, str(about["id"]))
    strategies = files.strategies_of(home, about)
    counts = {"trades": 0, "quotes": 0, "books": 0, "funding": 0}
    for at, instrument in enumerate(rules_of(strategies)):
        mine = facts[facts["instrument"] == at]
        for kind, event, names in _TICKS:
            rows = mine[mine["kind"] == int(event)]
            recorded.write_ticks(out, kind, instrument, _columns(rows, names))
            counts[kind] += len(rows)
        rates = mine[mine["kind"] == int(EventKind.FUNDING_RATE)]
        recorded.write_funding(out, instrument, _columns(rates, _RATES))
        counts["funding"] += len(rates)
        for folder, kinds in recorded_market.TOLD.items():
            recorded.write_events(out, folder, instrument, mine[np.isin(mine["kind"], kinds)])
    recorded.write_rules(out, _rules_text(about["rules"], rules_of(strategies)))
    said = {name: about[name] for name in ("id", "mode", "venue", "config_hash")}
    recorded.write_origin(out, str(yaml.safe_dump(said, sort_keys=False)))
    return {"session": about["id"], "catalog": str(out), **counts}


def facts_of(home: Home, session: str) -> Rows:
    """Return all facts that are left in the journal of a session (rows of EVENT), in their order."""
    found = bytearray()
    for record, event in whole_events(LocalDisk(home.folder(session)), "journal"):
        if record.kind == RecordKind.FACT:
            found += event
    return np.frombuffer(bytes(found), EVENT)


def _columns(rows: Rows, names: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    columns = {name: np.ascontiguousarray(rows[field]) for name, field in names.items()}
    if "buyer_is_maker" in columns:
        columns["buyer_is_maker"] = columns["buyer_is_maker"] != 0
    if "seq" in columns:
        flags = np.ascontiguousarray(rows["reason"])
        columns["side"] = np.where(flags & int(BookRow.IS_BID), 1, -1)
        columns["is_snapshot"] = (flags & int(BookRow.IS_SNAPSHOT)) != 0
    return columns


def _rules_text(stated: Mapping[str, Mapping[str, Any]], instruments: Mapping[InstrumentId, Any] | Any) -> str:
    entries = {}
    for instrument in instruments:
        values = dict(stated[str(instrument)])
        tiers = values.pop("margin_tiers", None)
        if tiers is not None:
            values["margin_tiers"] = [
                {
                    key: value
                    for key, value in zip(("notional_max", "maintenance_pct", "leverage_max"), tier, strict=True)
                    if value is not None
                }
                for tier in tiers
            ]
        entries[str(instrument)] = values
    return str(yaml.safe_dump(entries, sort_keys=False))
