"""What a session did and why, in words: each trade with the conditions before it, and what did not come to be."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tightloop.app.text.exits import EXITS
from tightloop.app.text.numbers import Form, moment, number, significant, span, step_form
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import SECOND_NS
from tightloop.runtime import views
from tightloop.runtime.results.denials import meaning

MONEY = Form(2, signed=True)
DIGITS = (6, 8, 10, 12, 17)
ENTRY_SECTIONS, EXIT_SECTIONS = ("S1", "Z1"), ("ZE1", "E1")
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def lines(told: Rows, count_max: int) -> list[str]:
    """Write what a session did, with its last ``count_max`` trades. ``told``: rows of the read model, by table."""
    if not told["sessions"]:
        return ["nothing is known of it yet: it has just begun"]
    story = _Story(told)
    positions = sorted(told["positions"], key=lambda row: int(row["opened_ts"]))
    found = [story.summary(positions)]
    if len(positions) > count_max:
        found += ["", f"{len(positions) - count_max:,} trades before these; --last shows more"]
    for position in positions[-count_max:] if count_max else []:
        found += ["", *story.trade(position)]
    missed = story.missed()
    if missed:
        found += ["", "what did not come to be:", *(f"  {line}" for line in missed)]
    events = Counter((row["severity"], row["message"]) for row in told["risk_events"])
    if events:
        found += [
            "",
            "warnings:",
            *(f"  {severity.lower()}: {text}{_often(n)}" for (severity, text), n in events.items()),
        ]
    asked = [f"{row['command']} by {row['who']}: {row['outcome']}" for row in told["controls"]]
    return [*found, "", "what was asked of it:", *(f"  {line}" for line in asked)] if asked else found


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def _often(count: int) -> str:
    return "" if count == 1 else f", {count:,} times"


class _Story:
    def __init__(self, told: Rows) -> None:
        self._told = told
        (self._session,) = told["sessions"]
        self._forms = {
            row["instrument"]: (step_form(row["price_increment"]), _step(row["lot_size"], row["multiplier"]))
            for row in told["instruments"]
        }
        self._conditions: dict[tuple[str, str], list[str]] = {}
        for row in told["conditions"]:
            if row["signal_id"] is not None:
                self._conditions.setdefault((row["signal_id"], row["section"]), []).append(_condition(row))

    def summary(self, positions: Sequence[Mapping[str, Any]]) -> str:
        """Write how long it ran and what came of it."""
        session = self._session
        lasted = ""
        if session["ts"] is not None:
            lasted = f", {span((session['ts'] - session['started_ts']) // SECOND_NS)} of the market"
        closed = [row for row in positions if row["closed_ts"] is not None]
        result, fees = _sum(views.result_of(row) for row in closed), _sum(row["fees"] for row in closed)
        still = len(positions) - len(closed)
        opened = f", {still} open" if still else ""
        came = f"result {number(result, MONEY)} {session['asset']}, fees {number(fees, Form(2))} in it"
        what = f"{_many(len(closed), 'trade')}{opened}, {came}"
        return f"{session['session_id']}, {session['state'].lower()}{lasted}: {what if positions else 'no trades'}"

    def trade(self, row: Mapping[str, Any]) -> list[str]:
        """Write a trade: what was done, because of what, and how it ended."""
        instrument = row["instrument"]
        price, qty = self._forms.get(instrument, (None, None))
        symbol = InstrumentId.parse(instrument).symbol
        did = "bought" if row["side"] == "LONG" else "sold"
        what = f"{did} {_number(row['entry_qty'], qty)} {symbol} at {_number(row['entry_price'], price)}"
        found = [f"{moment(row['opened_ts'])}  {what}"]
        for section in ENTRY_SECTIONS:
            found += self._because(row["signal_id"], section)
        if row["closed_ts"] is None:
            protected = [f"{name} {_number(row[name], price)}" for name in ("stop", "target") if row[name] is not None]
            return [*found, f"    open{', ' if protected else ''}{', '.join(protected)}"]
        reason = row["exit_reason"]
        held = span(max(0, row["closed_ts"] - row["opened_ts"]) / SECOND_NS)
        found.append(f"    ended after {held} at {_number(row['exit_price'], price)}: {EXITS.get(reason, reason)}; "
                     f"result {number(views.result_of(row), MONEY)}")  # fmt: skip
        return found + (self._because(row["signal_id"], reason) if reason in EXIT_SECTIONS else [])

    def _because(self, signal: str | None, section: str) -> list[str]:
        """Write the conditions of a section that fired for a signal, the last time it did."""
        found = list(dict.fromkeys(self._conditions.get((signal or "", section), [])))
        return [f"    because {section}: {', '.join(found)}"] if found else []

    def missed(self) -> list[str]:
        """Write what was denied or suppressed, by reason."""
        denied = Counter((row["instrument"], row["reason"]) for row in self._told["denials"])
        found = [f"{_many(count, 'entry', 'entries')} denied, {_line(*key)}" for key, count in denied.items()]
        suppressed = Counter(
            (row["instrument"], row["reason"]) for row in self._told["signals"] if row["event"] == "suppressed"
        )
        return found + [f"{_many(count, 'signal')} suppressed, {_line(*key)}" for key, count in suppressed.items()]


def _line(instrument: str, reason: str | None) -> str:
    means, remedy = meaning(reason or "")
    return f"{InstrumentId.parse(instrument).symbol}: {reason}" + (f" ({means}; {remedy})" if means else "")


def _sum(values: Iterable[float | None]) -> float | None:
    """Add values; None if one of them is not known."""
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def _condition(row: Mapping[str, Any]) -> str:
    """Write a condition with so many digits that its value and its threshold differ, if they do."""
    value, limit = _apart(row["value"], row["threshold"])
    if row["threshold_high"] is not None:
        limit = f"{limit} and {significant(row['threshold_high'])}"
    if row["threshold_variant"]:
        limit = f"{row['threshold_variant']} {limit}"
    verdict = "" if row["verdict"] == "TRUE" else f" is {row['verdict']}"
    return f"{row['variant']} {value} {row['operator']} {limit}{verdict}"


def _apart(value: float | None, limit: float | None) -> tuple[str, str]:
    if value is None or limit is None or value == limit:
        return significant(value), significant(limit)
    digits = next((count for count in DIGITS if f"{value:.{count}g}" != f"{limit:.{count}g}"), DIGITS[-1])
    if digits == DIGITS[0]:
        return significant(value), significant(limit)
    return f"{value:.{digits}g}", f"{limit:.{digits}g}"


def _number(value: Any, form: Form | None) -> str:
    return significant(value) if form is None else number(value, form)


def _step(lot: float | None, size: float | None) -> Form | None:
    return None if lot is None else step_form(lot * (1.0 if size is None else size))
