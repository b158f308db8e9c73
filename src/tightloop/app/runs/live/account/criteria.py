"""Paper criteria: what has to be shown on paper before a strategy is traded live."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import files
from tightloop.app.runs.live.account.start_refusals import Gravity, StartRefusal
from tightloop.app.runs.live.files import Prepared
from tightloop.app.runs.live.settings import read_settings
from tightloop.core.domain.enums import RowKind
from tightloop.model.errors import Problem, TightloopError
from tightloop.runtime.session.driver.operator import OperatorRequest
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.journal import RecordKind, events

DAY_NS = 86_400 * 10**9
GAP_NS = 60 * 10**9
"""A longer time without any fact does not count as running."""
_STAMP = 5 * 8


def overridden(login: str, reason: str) -> bytes:
    """Return the OPERATOR record of a user who trades live without them."""
    asked = asdict(OperatorRequest(what="override paper criteria", who=login))
    return json.dumps({**asked, "reason": reason, "outcome": "done"}).encode()


def refusals(home: Home, prepared: Prepared, venue: str, override: str | None) -> list[StartRefusal]:
    """Return the refusal of strategies that have not run on paper as long as the criteria say. Raises InputError."""
    if override is not None:
        return []
    wanted, ran_ns, trades, problems = read_settings(home).paper_criteria, 0, 0, list[str]()
    hashes = sorted(strategy.config_hash for strategy in prepared.strategies)
    for about in home.sessions():
        if about["mode"] != files.KIND or about["venue"] != venue or sorted(about["config_hash"]) != hashes:
            continue
        if about["state"] == SessionState.ERROR:
            problems.append(f"{about['id']} ended in an error")
        with contextlib.suppress(TightloopError):
            repetition = files.repeat(home, about)  # raises if it does not give what its journal has
            trades += int(repetition.recent.counts[int(RowKind.TRADE)])
            ran_ns += _ran_ns(home, about)
    if ran_ns < wanted.days * DAY_NS:
        problems.append(f"ran {ran_ns / DAY_NS:.4g} of {wanted.days:g} days on paper")
    if trades < wanted.trades:
        problems.append(f"closed {trades} of {wanted.trades} trades on paper")
    if not problems:
        return []
    message = f"the same files at {venue}: {', '.join(problems)}"
    remedy = "run `tightloop paper` longer, or say why not with --override-paper REASON"
    return [StartRefusal(Gravity.PAPER, Problem("paper criteria", None, "", message, remedy))]


def _ran_ns(home: Home, about: Mapping[str, Any]) -> int:
    """Return how long a session ran, by its facts: times without any for longer than GAP_NS left out."""
    ran_ns, last_ns = 0, 0
    for record, event in events(LocalDisk(home.folder(about["id"])), files.JOURNAL):
        if record.kind == RecordKind.FACT:
            now_ns = int.from_bytes(event[_STAMP : _STAMP + 8], "little")
            if last_ns and 0 <= now_ns - last_ns <= GAP_NS:
                ran_ns += now_ns - last_ns
            last_ns = max(last_ns, now_ns)
    return ran_ns
