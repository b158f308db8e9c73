"""What State knows of rows that are there already: margins, timers, rules of the venue, and what is held but not ours.

Compared as arrays with what was known at the last look; rows are told of again where something has changed. The arrays
are views of one State, which is restored and stepped in its place.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tightloop.core.domain.enums import InstanceState, TradingStatus
from tightloop.core.domain.types import Ints, Record
from tightloop.core.limits import NEVER_NS
from tightloop.model.signal.plan import Plan
from tightloop.ports.read_model import SESSION, TableRow
from tightloop.runtime.session.read_model.rows import PlanNames, Values, real
from tightloop.runtime.session.read_model.telling import TellingRows
from tightloop.runtime.session.read_model.trading import TradingRows

_COOLING = (int(InstanceState.SIGNAL_CANCELLED), int(InstanceState.EXITED))
_RULES = ("price_increment", "lot_size", "min_notional")
_OF_POSITIONS, _OF_INSTANCES = ("margin", "liquidation_price", "qty"), ("cooldown_until_ns", "timer_ns", "state")
_OF_INSTRUMENTS, _OF_FOREIGN = (*_RULES, "status"), ("foreign_qty", "foreign_price")


class StateRows:
    """Rows that State adds to. ``instruments``: rows of the table by number."""

    def __init__(self, names: PlanNames, trading: TradingRows, telling: TellingRows) -> None:
        self._names, self._trading, self._telling = names, trading, telling
        self.instruments: list[Values] = []
        self._foreign: dict[int, Values] = {}
        self._last: dict[tuple[str, tuple[str, ...]], list[tuple[Ints, Ints]]] = {}

    def changes(self, plan: Plan, seq: int) -> Iterator[TableRow]:
        """Yield the rows that are others than at the last look."""
        state = plan.states[0]
        for at in self._changed(state, "positions", int(state["instance_count"]), _OF_POSITIONS):
            yield from self._position(state, at, seq)
        for at in self._changed(state, "instances", int(state["instance_count"]), _OF_INSTANCES):
            yield from self._instance(state, at, seq)
        for at in self._changed(state, "instruments", int(state["instrument_count"]), _OF_INSTRUMENTS):
            yield from self._instrument(state, at)
        for at in self._changed(state, "instruments", int(state["instrument_count"]), _OF_FOREIGN):
            yield from self._not_ours(state, at, seq)

    def _changed(self, state: Record, table: str, count: int, names: tuple[str, ...]) -> list[int]:
        """Return the rows of a table of State in which one of the fields is another than before, bit by bit."""
        key = table, names
        known = self._last.get(key)
        if known is None:
            fields = [state[table][name][:count].view(np.int64) for name in names]
            self._last[key] = [(field, field.copy()) for field in fields]
            return list(range(count))
        is_other = None
        for field, before in known:
            found = field != before
            if found.any():
                is_other = found if is_other is None else is_other | found
                before[:] = field
        return [] if is_other is None else [int(at) for at in np.flatnonzero(is_other)]

    def _position(self, state: Record, at: int, seq: int) -> Iterator[TableRow]:
        row, position = state["positions"][at], self._trading.open_of(at)
        if position is None or float(row["qty"]) == 0.0:
            return
        wanted = {"margin": real(row["margin"]), "liquidation_price": _price(row["liquidation_price"])}
        if any(position[name] != value for name, value in wanted.items()):
            position |= {**wanted, "seq": seq}
            yield TableRow("positions", dict(position))

    def _instance(self, state: Record, at: int, seq: int) -> Iterator[TableRow]:
        row = state["instances"][at]
        is_cooling = int(row["state"]) in _COOLING and int(row["cooldown_until_ns"]) > 0
        due_ns = int(row["timer_ns"])
        instance = self._telling.instances[at]
        wanted = {
            "cooldown_until_ts": int(row["cooldown_until_ns"]) if is_cooling else None,
            "timer_ts": due_ns if 0 < due_ns < NEVER_NS else None,
        }
        if any(instance[name] != value for name, value in wanted.items()):
            instance |= {**wanted, "seq": seq}
            yield TableRow("instances", dict(instance))

    def _instrument(self, state: Record, at: int) -> Iterator[TableRow]:
        row, instrument = state["instruments"][at], self.instruments[at]
        wanted: Values = {name: real(row[name]) or None for name in _RULES}
        wanted["status"] = TradingStatus(int(row["status"])).name
        if any(instrument[name] != value for name, value in wanted.items()):
            instrument |= wanted
            yield TableRow("instruments", dict(instrument))

    def _not_ours(self, state: Record, at: int, seq: int) -> Iterator[TableRow]:
        """Yield what is held of an instrument by orders that are not ours; with quantity 0 once it is gone."""
        row, ts_ns = state["instruments"][at], int(state["ts_ns"])
        qty = float(row["foreign_qty"]) * self._names.sizes[at]
        if qty == 0.0 and at not in self._foreign:
            return
        known = self._foreign.setdefault(at, {"opened_ts": ts_ns})
        if qty == 0.0:
            del self._foreign[at]
        columns = dict.fromkeys((
            "signal_id", "instance", "strategy", "entry_qty", "exit_qty", "exit_price", "leverage", "margin",
            "liquidation_price", "stop", "target", "realized", "fees", "funding", "slippage", "exit_reason",
        ))  # fmt: skip
        yield TableRow("positions", {
            **columns, "trade_id": -1 - at, "seq": seq, "instrument": self._names.instruments[at],
            "side": "LONG" if qty > 0.0 else "SHORT" if qty < 0.0 else None, "qty": qty,
            "entry_price": _price(row["foreign_price"]) if qty else None, "opened_ts": known["opened_ts"],
            "updated_ts": ts_ns, "closed_ts": None if qty else ts_ns, "status": "foreign",
        })  # fmt: skip

    def resume(self, plan: Plan, rows: dict[str, list[dict[str, Any]]]) -> Iterator[TableRow]:
        """Begin with a State that was restored; yield the rows that have what is known of it.

        ``rows``: those that were kept, by table.
        """
        state = plan.states[0]
        for table, names, count in (
            ("positions", _OF_POSITIONS, "instance_count"), ("instances", _OF_INSTANCES, "instance_count"),
            ("instruments", _OF_INSTRUMENTS, "instrument_count"), ("instruments", _OF_FOREIGN, "instrument_count"),
        ):  # fmt: skip
            self._changed(state, table, int(state[count]), names)
        for row in rows["positions"]:
            position = self._trading.open_of(row["instance"]) if row["status"] == "open" else None
            if position is not None and position["trade_id"] == row["trade_id"]:
                position |= {name: row[name] for name in ("margin", "liquidation_price", "seq")}
                yield TableRow("positions", dict(position))
            if row["status"] == "foreign" and row["closed_ts"] is None:
                self._foreign[-1 - row["trade_id"]] = {"opened_ts": row["opened_ts"]}
                yield TableRow("positions", {name: value for name, value in row.items() if name != SESSION})
        for row in rows["instances"]:
            instance = self._telling.instances[row["instance"]]
            instance |= {name: row[name] for name in ("cooldown_until_ts", "timer_ts", "seq")}
            yield TableRow("instances", dict(instance))
        for row in rows["instruments"]:
            at = self._names.instruments.index(row["instrument"])
            self.instruments[at] |= {name: row[name] for name in (*_RULES, "status")}
            yield TableRow("instruments", dict(self.instruments[at]))


def _price(value: float) -> float | None:
    return real(value) if math.isfinite(value) and value > 0.0 else None
