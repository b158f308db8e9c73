"""The latest values of a running session for screens: prices, results, indicators, thresholds, distances.

Keys are ``what:owner[:more]``: price, bid, ask, mark of an instrument; pnl, cushion, liquidation of an instance, by its
number in ``instances``; equity and wallet of the session; ``indicator:<instance>:<variant>``;
``threshold`` and ``distance:<instance>:<section>.<place>``. Each has the time at which what it is made of was received,
and its cadence: how often one is to be expected.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, Record, Rows
from tightloop.core.trading.ledger import WALLET
from tightloop.runtime import views
from tightloop.runtime.session.read_model.replica import Replica
from tightloop.runtime.session.read_model.rows import real

SECOND_MS = 1_000
_PRICES = {
    EventKind.TRADE: (("price", "price"),), EventKind.QUOTE: (("bid", "price"), ("ask", "rate")),
    EventKind.MARK_REPORTED: (("mark", "price"),), EventKind.BAR_CLOSED: (("close", "price"),),
}  # fmt: skip
"""By kind of fact: the value that it tells of, and its field."""


class LiveValue(NamedTuple):
    """A value as a decimal (None: not known), when it was received, and its cadence."""

    value: str | None
    ts_ns: int | None
    cadence_ms: int


class LiveValues:
    """Follows the latest values of one session; ``note`` before the replica takes the facts."""

    def __init__(self, replica: Replica, instruments: list[str]) -> None:
        self._replica, self._instruments = replica, instruments
        self._prices: dict[tuple[str, int], tuple[float, int]] = {}
        self._received_ns = [0] * len(instruments)
        self._bar_ms = replica.period_ns // 1_000_000 or SECOND_MS

    def note(self, events: list[bytes]) -> None:
        """Note the prices among facts, in their order."""
        facts: Rows = np.frombuffer(b"".join(events), EVENT)
        for kind, told in _PRICES.items():
            of_kind = facts[facts["kind"] == int(kind)]
            for at in np.unique(of_kind["instrument"]).tolist():
                last: Record = of_kind[of_kind["instrument"] == at][-1]
                ts_ns = int(last["ts_init_ns"])
                self._received_ns[at] = max(self._received_ns[at], ts_ns)
                for what, field in told:
                    self._prices[what, at] = float(last[field]), ts_ns

    def now(self) -> dict[str, LiveValue]:
        """Return all values as they are; the replica has stepped what came."""
        self._replica.measure()
        found = dict(self._of_market())
        found |= self._of_account()
        found |= self._of_rules()
        return found

    def _of_market(self) -> Iterator[tuple[str, LiveValue]]:
        state = self._replica.plan.states[0]
        for at, name in enumerate(self._instruments):
            for what in ("price", "bid", "ask"):
                value, ts_ns = self._prices.get((what, at), (math.nan, 0))
                yield f"{what}:{name}", _live(value, ts_ns)
            yield f"mark:{name}", _live(float(state["instruments"][at]["mark"]), self._mark_ns(at))

    def _mark_ns(self, at: int) -> int:
        """Return when what the mark of an instrument is made of was received."""
        told = [self._prices[what, at][1] for what in ("mark", "price", "bid", "close") if (what, at) in self._prices]
        return max(told, default=0)

    def _of_account(self) -> Iterator[tuple[str, LiveValue]]:
        state, ts_ns = self._replica.plan.states[0], max(self._received_ns, default=0)
        yield "equity", _live(float(state["equity"]), ts_ns)
        yield "wallet", _live(float(state["balances"][WALLET]), ts_ns)
        for number, held in enumerate(state["positions"][: int(state["instance_count"])]):
            if float(held["qty"]) == 0.0:
                continue
            at = int(state["instances"][number]["instrument"])
            instrument = state["instruments"][at]
            qty = float(held["qty"]) * float(instrument["multiplier"])
            entry, mark, liquidation = (
                real(held["entry_price"]),
                real(instrument["mark"]),
                real(held["liquidation_price"]),
            )
            received_ns = self._mark_ns(at)
            for what, value in (
                ("pnl", views.unrealized_of(qty, entry, mark)), ("liquidation", views.distance_pct(liquidation, mark)),
                ("cushion", views.cushion_pct(qty, entry, mark, real(held["margin"]), liquidation)),
            ):  # fmt: skip
                yield f"{what}:{number}", _live(value, received_ns)

    def _of_rules(self) -> Iterator[tuple[str, LiveValue]]:
        instances: Any = self._replica.plan.states[0]["instances"]
        received_ns = [self._received_ns[int(row["instrument"])] for row in instances[: len(self._replica.instances)]]
        for (instance, name), value in zip(self._replica.values.owners, self._replica.values.now(), strict=True):
            yield f"indicator:{instance}:{name}", _live(float(value), received_ns[instance], self._bar_ms)
        for instance, section, place, threshold, distance in self._replica.closest.now():
            key, ts_ns = f"{instance}:{section}.{place}", received_ns[instance]
            yield f"threshold:{key}", _live(threshold, ts_ns, self._bar_ms)
            yield f"distance:{key}", _live(distance, ts_ns, self._bar_ms)


def _live(value: float | None, ts_ns: int, cadence_ms: int = SECOND_MS) -> LiveValue:
    return LiveValue(views.decimal_text(value), ts_ns or None, cadence_ms)
