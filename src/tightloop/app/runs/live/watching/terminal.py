"""Fills, ended trades and refused entries on the terminal that a session runs in, a line each.

A subscriber of the bus, as ``TradeLog`` is. All of it is in the journal.
"""

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np

from tightloop.app.text.exits import EXITS
from tightloop.app.text.numbers import Form, known, moment, number, significant, span, step_form
from tightloop.core.domain.enums import OrderState, Role, RowKind, Side
from tightloop.core.domain.types import Rows
from tightloop.model.signal.plan import Plan
from tightloop.model.times import SECOND_NS
from tightloop.runtime.results.denials import meaning
from tightloop.runtime.results.reasons import EXIT_REASONS, REASONS
from tightloop.runtime.session.bus import Place, Route
from tightloop.runtime.session.driver.publishing import FILLS, ORDERS, STRATEGIES, row_of

_REFUSED = {int(OrderState.DENIED): "denied", int(OrderState.REJECTED): "rejected by the venue"}
_RESULT = Form(2, signed=True)


class TerminalLines:
    """Prints a line for each fill and each ended trade, and one for entries that are refused again and again.

    ``tell``: takes a line at once, whoever reads it; an OSError of it is ignored, because the terminal may be gone.
    """

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self._symbols = [instrument.symbol for instrument in plan.instruments]
        rules = [plan.rules[instrument] for instrument in plan.instruments]
        self._sizes = [one.contract_size for one in rules]
        self._prices = [step_form(known(one.price_increment)) for one in rules]
        self._steps = [step_form(known(one.lot_size * one.contract_size)) for one in rules]
        self._tell_line = tell
        self._refused: dict[tuple[int, int], int] = {}
        self._ended: list[tuple[Rows, str]] = []

    def routes(self) -> list[Route]:
        """Return the topics that it follows."""
        return [FILLS.to(self._on_fill), ORDERS.to(self._on_order), STRATEGIES.to(self._on_trade)]

    async def _on_fill(self, _place: Place, message: bytes) -> None:
        row = row_of(message)[0]
        if row["kind"] == int(RowKind.FILL):
            role = Role(int(row["role"]))
            why = "" if role == Role.ENTRY else f", {EXIT_REASONS[role].replace('_', ' ')}"
            self._tell(row, f"{'bought' if row['side'] == int(Side.BUY) else 'sold'} {self._what(row)}{why}")
            self._tell_ended()

    async def _on_trade(self, _place: Place, message: bytes) -> None:
        """Print a trade after the fill that ended it, whose row comes next where there is one."""
        row = row_of(message)[0]
        self._refused.clear()
        reason = EXIT_REASONS[Role(int(row["role"]))]
        held = span(round(max(0, int(row["exit_ns"]) - int(row["entry_ns"])) / SECOND_NS, 2))
        symbol, result = self._symbols[int(row["instrument"])], number(float(row["pnl"]), _RESULT)
        self._ended.append((row, f"{symbol} closed after {held}: {EXITS.get(reason, reason)}; result {result}"))
        asyncio.get_running_loop().call_soon(self._tell_ended)

    async def _on_order(self, _place: Place, message: bytes) -> None:
        """Print why an entry was refused, unless it is what was said last of this strategy on this instrument."""
        row = row_of(message)[0]
        if row["kind"] != int(RowKind.ORDER) or int(row["code"]) not in _REFUSED:
            return
        key, reason = (int(row["instance"]), int(row["instrument"])), int(row["reason"])
        if self._refused.get(key) == reason:
            return
        self._refused[key] = reason
        name = REASONS.get(reason) or "no reason given"
        means = "; ".join(text for text in meaning(name) if text)
        side = Side(int(row["side"])).name.lower()
        what = f"{_REFUSED[int(row['code'])]}: {side} {self._symbols[key[1]]}, {name}"
        self._tell(row, f"{what}{f' ({means})' if means else ''}")

    def _tell_ended(self) -> None:
        ended, self._ended = self._ended, []
        for row, text in ended:
            self._tell(row, text)

    def _what(self, row: Rows) -> str:
        """Write quantity, symbol and price of a row."""
        at = int(row["instrument"])
        qty, price = float(row["qty"]) * self._sizes[at], float(row["price"])
        return f"{_written(qty, self._steps[at])} {self._symbols[at]} at {_written(price, self._prices[at])}"

    def _tell(self, row: Rows, text: str) -> None:
        clock = moment(int(row["ts_ns"]) // SECOND_NS * SECOND_NS)[len("2000-01-01 ") :]
        with contextlib.suppress(OSError):
            self._tell_line(f"{clock if clock.count(':') == 2 else f'{clock}:00'} {text}")


def _written(value: float, form: Form | None) -> str:
    return significant(value) if form is None or not np.isfinite(value) else number(value, form)
