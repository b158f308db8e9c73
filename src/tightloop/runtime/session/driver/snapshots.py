"""A session as a snapshot: everything a repetition would come to, so that a restart need not step from the beginning.

Parts are the bytes of State, arena, venue, streams, heap and control, the kept rows, a few numbers, and what strategies
in Python say that they keep; where one of them does not say it, there is no snapshot. Layouts are
those of the records and the version of the engine: another version steps from the beginning, and finds out by the rows.
"""

import json
from collections.abc import Collection
from functools import cache

import numpy as np

from tightloop.core.domain.types import STATE, STREAM, VENUE
from tightloop.core.market import tapes
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session.driver.recent import RecentRows
from tightloop.runtime.session.driver.session import OtherSide, Repetition, Session
from tightloop.runtime.session.journal.layout import LayoutDiffers
from tightloop.runtime.session.journal.snapshots import Snapshot

ACCOUNT = "account"
_RECORDS = {"states": STATE, "venues": VENUE, "streams": STREAM}


def layouts(version: str) -> dict[str, str]:
    """Return what the parts are laid out as. ``version``: of the engine."""
    return {name: f"{version} {dtype.itemsize} {hash_of(dtype)}" for name, dtype in _RECORDS.items()}


@cache
def hash_of(dtype: np.dtype[np.void]) -> str:
    """Return a short text that differs for records with other fields."""
    return f"{len(dtype.descr)}:{','.join(dtype.names or ())}"


def check_layouts(snapshot: Snapshot) -> None:
    """Refuse a base of other records: raises LayoutDiffers. Another version with the same ones will do."""
    for name, ours in layouts("").items():
        theirs = snapshot.layouts.get(name, "").partition(" ")[2]
        if theirs != ours.partition(" ")[2]:
            raise LayoutDiffers(f"{name} of the base snapshot has other fields than this version of tightloop")


def received_ns(snapshot: Snapshot) -> int:
    """Return the stamp of the last fact that a snapshot knows."""
    return int(json.loads(snapshot.parts["said"])["last_ns"])


def snapshot_of(session: Session, name: str, seq: int, version: str, account: bytes | None = None) -> Snapshot | None:
    """Return the snapshot of a session before record ``seq`` of its journal. ``account``: saved, of a real venue.

    None: a strategy in Python does not say how it is saved. Raises StrategyError if it cannot say.
    """
    plan, driver = session.plan, session.driver
    beside = driver.save()
    if beside is None:
        return None
    said = {
        "fact_count": session.fact_count,
        "last_ns": session.intake.last_ns,
        "arena_floats": len(plan.arena),
        "counts": session.recent.counts.tolist(),
    }
    parts = {
        "states": plan.states.tobytes(), "venues": plan.venues.tobytes(), "arena": plan.arena.tobytes(),
        "streams": driver.streams.tobytes(), "heap": driver.heap.tobytes(), "control": driver.control.tobytes(),
        "rows": session.recent.kept(), "said": json.dumps(said).encode(),
    }  # fmt: skip
    parts |= beside
    if account is not None:
        parts[ACCOUNT] = account
    return Snapshot(name, seq, parts, layouts(version))


def restored(plan: Plan, snapshot: Snapshot, poisoned: Collection[int], account: OtherSide | None = None) -> Repetition:
    """Return a repetition that has come to a snapshot; the records from its ``seq`` on are still to be run."""
    parts = snapshot.parts
    said = json.loads(parts["said"])
    plan.states[:] = np.frombuffer(parts["states"], STATE)
    plan.venues[:] = np.frombuffer(parts["venues"], VENUE)
    plan.arena = tapes.arena_of(int(said["arena_floats"]))
    plan.arena[:] = np.frombuffer(parts["arena"], np.float64)
    repetition = Repetition(plan, RecentRows.of_kept(parts["rows"], said["counts"]), poisoned, account)
    if account is not None:
        account.load(parts[ACCOUNT])
    driver = repetition.driver
    driver.streams[:] = np.frombuffer(parts["streams"], STREAM)
    driver.heap[:] = np.frombuffer(parts["heap"], np.int64)
    driver.control[:] = np.frombuffer(parts["control"], np.int64)
    driver.load(parts)
    repetition.fact_count, repetition.last_ns = int(said["fact_count"]), int(said["last_ns"])
    return repetition
