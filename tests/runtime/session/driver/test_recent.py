"""The rows that a session keeps at hand, and what a snapshot keeps of them."""

import numpy as np

from tightloop.core.domain.enums import OrderState, Reason, RowKind, Section
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.driver.recent import REFUSED_KEPT, RecentRows


def rows(count, **values):
    found = np.zeros(count, LOG_ROW)
    for name, value in values.items():
        found[name] = value
    return found


def denied(count):
    return rows(count, kind=int(RowKind.ORDER), code=int(OrderState.DENIED), order_id=np.arange(count))


def test_a_flood_of_denials_leaves_the_fills_alone():
    recent = RecentRows()
    recent.take(rows(3, kind=int(RowKind.FILL)))
    recent.take(denied(20_000))
    assert len(recent.of(RowKind.FILL)) == 3
    assert list(recent.refused()["order_id"]) == list(range(20_000 - REFUSED_KEPT, 20_000))


def test_only_what_did_not_come_to_be_counts_as_refused():
    recent = RecentRows()
    recent.take(rows(1, kind=int(RowKind.ORDER), code=int(OrderState.FILLED)))
    recent.take(rows(1, kind=int(RowKind.SECTION), code=int(Section.S1)))
    expired = {"kind": int(RowKind.ORDER), "code": int(OrderState.EXPIRED)}
    recent.take(rows(1, reason=int(Reason.NOTHING_TO_REDUCE), **expired))  # the stop of a position that was closed
    recent.take(rows(1, kind=int(RowKind.SECTION), code=int(Section.Z1), reason=1))
    assert not len(recent.refused())
    recent.take(rows(1, reason=int(Reason.TTL), **expired))
    recent.take(rows(1, kind=int(RowKind.SECTION), code=int(Section.S1), reason=2))
    assert len(recent.refused()) == 2


def test_a_snapshot_keeps_all_of_them_apart():
    recent = RecentRows()
    recent.take(np.concatenate([denied(4), rows(2, kind=int(RowKind.FILL)), denied(1)]))
    again = RecentRows.of_kept(recent.kept(), recent.counts.tolist())
    assert again.kept() == recent.kept()
    assert len(again.of(RowKind.FILL)) == 2
    assert len(again.refused()) == 5
    assert list(again.counts) == list(recent.counts)
