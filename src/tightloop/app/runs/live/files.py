"""A session as its folder has it: what was asked for, the plan that follows from it, the journal stepped again."""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tightloop import __version__
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import desks
from tightloop.app.runs.live.venues import ChosenVenue
from tightloop.app.runs.strategies import load_strategies, strategy_names, texts_of
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, InstrumentRules, MarginTier, default_rules
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.plan_numbers import write_venue
from tightloop.model.signal.portfolio import rules_of
from tightloop.model.signal.read import Strategy
from tightloop.ports.disk import Disk
from tightloop.ports.market_data import ListedInstrument
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import OtherSide, Repetition
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.journal import RecordKind, events, records
from tightloop.runtime.session.journal.layout import JournalRecord
from tightloop.runtime.session.journal.reading import first_seq
from tightloop.runtime.session.journal.reducing import first_base, proved
from tightloop.runtime.session.journal.snapshots import load as load_snapshot

ACCOUNT_FILE = "account.yaml"
RESEARCH = "research"
KIND = "paper"
JOURNAL, SNAPSHOTS, BASES = "journal", "snapshots", "bases"
"""Folders of a session. Snapshots are caches, bases stand for facts that are gone."""
Held = Callable[[Iterable[tuple[JournalRecord, bytes]]], Iterator[tuple[JournalRecord, bytes]]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a user asked for, as it was understood. ``texts``: strategies and the files they name, by name.

    ``key``: who asks for the same gets the same session; ``lease``: the name of its lease; ``kind``: paper or live.
    """

    strategies: tuple[Strategy, ...]
    texts: Mapping[str, bytes]
    account: str | None
    key: str
    lease: str
    kind: str = KIND

    @property
    def timeframe(self) -> str | None:
        """The timeframe of strategies on bars."""
        return None if self.strategies[0].read.feed else self.strategies[0].read.timeframe


def prepare(
    files: Sequence[Path], venue: ChosenVenue, *, instruments: Sequence[str] = (), account: str | None = None
) -> Prepared:
    """Read the strategies for a paper session; raises InputError for what a session cannot run."""
    strategies = load_strategies(files, instruments=instruments, account=account)
    _check_owners(strategies)
    for strategy in strategies:
        _check(strategy)
    texts = dict(texts_of(strategies))
    if account is not None and account != RESEARCH:
        texts[ACCOUNT_FILE] = Path(account).read_bytes()
    return named(Prepared(strategies, texts, account, "", ""), venue, KIND)


def named(prepared: Prepared, venue: ChosenVenue, kind: str, account_name: str = "") -> Prepared:
    """Return what was asked for with the key and the lease that it has at a venue.

    ``account_name``: of the account at the venue that a live session trades on; it has one session at a time.
    """
    strategies = prepared.strategies
    symbols = sorted({venue.dialect.symbol_of(str(name)) for name in rules_of(strategies)})
    where = f"{venue.name} {venue.where}{f' {account_name}' if account_name else ''}"
    said = [kind, where, symbols, sorted(strategy.config_hash for strategy in strategies)]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return replace(prepared, key=key, lease=f"{kind}-{venue.name}-{account_name or key[:16]}", kind=kind)


def _check(strategy: Strategy) -> None:
    """Refuse what sessions do not do."""
    if strategy.read.latency.clock == "exchange":
        file, line = strategy.place(("latency", "clock"))
        message = "a session knows what it has received, not what has happened"
        raise InputError.one(file, line, "latency.clock", message, "write clock: receive")


def _check_owners(strategies: Sequence[Strategy]) -> None:
    """Refuse two strategies on one symbol, unless all of them are of the family whose lock holds between them."""
    owner: dict[InstrumentId, Strategy] = {}
    for strategy in strategies:
        for instrument in strategy.instruments:
            other = owner.setdefault(instrument, strategy)
            if other is not strategy and {other.read.family, strategy.read.family} != {"signal"}:
                file, line = strategy.place(("instruments",))
                message = f"{instrument} is traded by {other.file} already, and a venue has one position a symbol"
                raise InputError.one(file, line, "instruments", message, "give each symbol one owner")


def about_new(
    prepared: Prepared,
    venue: ChosenVenue,
    listed: Sequence[ListedInstrument],
    *,
    seed: int,
    now_ns: int,
    url: str | None,
    instruments: Sequence[str],
) -> dict[str, Any]:
    """Return ``session.json`` of a session that begins now; raises InputError for what the venue does not trade."""
    rules = {}
    by_symbol = {row.symbol: row for row in listed}
    for instrument in rules_of(prepared.strategies):
        row = by_symbol.get(venue.dialect.symbol_of(str(instrument)))
        if row is None or not row.is_trading:
            status = "does not list it" if row is None else f"says {row.status}"
            remedy = "name one that is traded there, with --instrument"
            raise InputError.one(
                "--instrument", None, "", f"{instrument} is not traded: {venue.where} {status}", remedy
            )
        rules[str(instrument)] = _stated(row)
    return {
        "mode": prepared.kind, "state": str(SessionState.STARTING), "venue": venue.name, "url": url,
        "key": prepared.key, "lease": prepared.lease, "instruments": list(instruments),
        "strategies": strategy_names(prepared.strategies),
        "names": [strategy.read.name for strategy in prepared.strategies],
        "config_hash": [strategy.config_hash for strategy in prepared.strategies],
        "account": None if prepared.account is None else RESEARCH if prepared.account == RESEARCH else ACCOUNT_FILE,
        "seed": seed, "rules": rules, "made_ns": now_ns, "engine_version": __version__,
    }  # fmt: skip


def _stated(row: ListedInstrument) -> dict[str, Any]:
    """Return what the venue states of the rules; what it does not is the default, by its name."""
    stated: dict[str, Any] = {
        "price_increment": row.price_increment,
        "lot_size": row.lot_size,
        "contract_size": row.multiplier,
        "min_notional": row.min_notional,
        "qty_max": row.qty_max,
        "market_qty_max": row.market_qty_max,
    }
    stated = {name: value for name, value in stated.items() if math.isfinite(value)}
    stated["settle_asset"] = row.settle_asset
    if row.maintenance_tiers:
        stated["margin_tiers"] = [
            [None if math.isinf(notional) else notional, 100.0 * rate, leverage]
            for notional, rate, leverage in row.maintenance_tiers
        ]
    return stated


def _rules(instrument: InstrumentId, stated: Mapping[str, Any]) -> InstrumentRules:
    values = dict(stated)
    tiers = values.pop("margin_tiers", None)
    if tiers is not None:
        values["margin_tiers"] = tuple(
            MarginTier(math.inf if notional is None else notional, rate, leverage) for notional, rate, leverage in tiers
        )
    base = default_rules(instrument)
    return replace(base, **values, defaults_used=tuple(name for name in base.defaults_used if name not in values))


def plan_of(strategies: Sequence[Strategy], about: Mapping[str, Any]) -> Plan:
    """Lay out the plan of a session, by the rules that the venue had when it began."""
    rules = {name: _rules(name, about["rules"][str(name)]) for name in rules_of(strategies)}
    plan = make_plan(strategies, rules, seed=int(about["seed"]))
    if not plan.feed:
        write_venue(plan.venues[0], strategies[0])  # on bars too, orders meet the venue on ticks
    return plan


def killed(home: Home, key: str) -> dict[str, Any] | None:
    """Return ``session.json`` of the session of a key that was not stopped; its process is gone."""
    open_ones = [about for about in home.sessions() if about["key"] == key and about["state"] != SessionState.STOPPED]
    return open_ones[-1] if open_ones else None


def are_fees_stated(strategies: Sequence[Strategy]) -> bool:
    """Return whether strategies state the fees they pay."""
    costs = [strategy.read.costs for strategy in strategies]
    return all(cost.taker_bps is not None and cost.maker_bps is not None for cost in costs)


def is_any_open(home: Home, prepared: Prepared, venue: str, kind: str) -> bool:
    """Return whether a session of these files at a venue was not stopped, on whichever account."""
    hashes = sorted(strategy.config_hash for strategy in prepared.strategies)
    return any(
        (about["mode"], about["venue"], sorted(about["config_hash"])) == (kind, venue, hashes)
        for about in home.sessions()
        if about["state"] != SessionState.STOPPED
    )


def strategies_of(home: Home, about: Mapping[str, Any]) -> tuple[Strategy, ...]:
    """Read the strategies of a session from its folder."""
    folder = home.folder(about["id"]) / "strategies"
    account = about["account"]
    path: Path | str | None = folder / account if account == ACCOUNT_FILE else account
    return load_strategies(
        [folder / name for name in about["strategies"]], instruments=about["instruments"], account=path
    )


def repeated(
    plan: Plan,
    disk: Disk,
    session: str,
    *,
    seq_max: int | None = None,
    account: OtherSide | None = None,
    held: Held = iter,
) -> Repetition:
    """Step the facts of a journal again; raises NotRepeated at the first difference, JournalCorrupt.

    ``seq_max``: seq of the journal's next record; a snapshot up to there spares what is before it. None: use none,
    but the base that stands for what was reduced.
    ``account``: the side of a real venue, made again as well. ``held``: what the records pass, to be held back.
    """
    poisoned = frozenset(
        int(json.loads(record.payload)["seq"]) for record in records(disk, JOURNAL) if record.kind == RecordKind.POISON
    )
    repetition, from_seq = None, 0
    if seq_max is not None:
        layouts = snapshots.layouts(__version__)
        found = load_snapshot(disk, SNAPSHOTS, session=session, seq_max=seq_max, layouts=layouts).snapshot
        if found is not None:
            repetition, from_seq = snapshots.restored(plan, found, poisoned, account), found.seq
    begun = first_seq(disk, JOURNAL)
    if repetition is None and begun > 0:
        base = first_base(disk, BASES, begun, session)
        snapshots.check_layouts(base.snapshot)
        repetition = snapshots.restored(plan, base.snapshot, poisoned, account)
        repetition.run(held(proved(base, events(disk, JOURNAL, base.snapshot.seq))))
        return repetition
    repetition = repetition or Repetition(plan, poisoned=poisoned, account=account)
    repetition.run(held(events(disk, JOURNAL, from_seq)))
    return repetition


def begun(
    plan: Plan, disk: Disk, session: str, poisoned: Collection[int], account: OtherSide | None
) -> tuple[Repetition, int]:
    """Return what steps the facts of a journal, and the first record that it is to be given: that of a base, or 0.

    Raises JournalCorrupt, LayoutDiffers.
    """
    from_seq = first_seq(disk, JOURNAL)
    if not from_seq:
        return Repetition(plan, poisoned=poisoned, account=account), 0
    base = first_base(disk, BASES, from_seq, session).snapshot
    snapshots.check_layouts(base)
    return snapshots.restored(plan, base, poisoned, account), base.seq


def repeat(home: Home, about: Mapping[str, Any], held: Callable[[Plan], Held] = lambda _: iter) -> Repetition:
    """Step the facts of a session again, from its files alone and from the first.

    ``about``: its ``session.json``. ``held``: gives what the records pass, to be held back.
    """
    session = about["id"]
    plan = plan_of(strategies_of(home, about), about)
    account = desks.repetition(plan, about) if about["mode"] == desks.KIND else None
    return repeated(plan, LocalDisk(home.folder(session)), session, account=account, held=held(plan))
