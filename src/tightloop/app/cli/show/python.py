"""Explanation of strategies in Python on the terminal: their inputs, requests, and the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from tightloop.app.cli.show.rows import Screen
from tightloop.app.facts.conditions import Facts
from tightloop.app.text.numbers import moment, significant

PLACES_SHOWN = 2
VALUES_SHOWN = 8
PLURALS = {"entry": "entries", "exit": "exits", "cancel": "cancels", "protection": "protections"}


def print_python(out: Screen, places: Sequence[Facts]) -> None:
    """Print each strategy in Python on each instrument; those with most requests first."""
    if not places:
        return
    ranked = sorted(places, key=lambda place: -sum(row["count"] for row in place["wanted"]))
    for place in out.cut(ranked, PLACES_SHOWN):
        out.blank()
        _place(out, place)
    rest = [] if out.show_all else ranked[PLACES_SHOWN:]
    if rest:
        out.blank()
        for place in rest[: 2 * PLACES_SHOWN]:
            out.text(f"{escape(place['instrument'])}: {_sums(place)}, {place['fills']:,} fills", 2)
        out.more(len(rest), 2 * PLACES_SHOWN, 0, "instruments")
    out.blank()
    out.text(f"[dim]Not visible: {escape(places[0]['unseen'])}. To see it, {escape(places[0]['remedy'])}[/]", 2)


def _sums(place: Facts) -> str:
    """Summarise the requests by kind, over all callbacks."""
    counts = {what: sum(row["count"] for row in place["wanted"] if row["what"] == what) for what in PLURALS}
    parts = [f"{count:,} {PLURALS[what] if count > 1 else what}" for what, count in counts.items() if count]
    return ", ".join(parts) or "requested nothing"


def _place(out: Screen, place: Facts) -> None:
    out.line(
        f"[bold]{place['class']}[/] ({escape(place['file'])}:{place['line']}) of {escape(place['strategy'])} "
        f"on {escape(place['instrument'])}"
    )
    calls = ", ".join(f"{name} {count:,} ({place['quiet'][name]:,} quiet)" for name, count in place["calls"].items())
    out.text(f"  Called   {calls or 'never'}", 11)
    for row in place["wanted"]:
        denied = ", ".join(f"{count:,} denied by {reason}" for reason, count in row["denied"].items())
        answer = f": {row['sent']:,} sent" + (f", {denied}" if denied else "") if row["what"] != "protection" else ""
        out.text(f"  Requests {row['count']:,} {PLURALS[row['what']]} in {row['callback']}{answer}", 11)
    if not place["wanted"]:
        out.text("  Requests none: no order, cancel or protection in any call", 11)
    out.line(f"  Filled   {place['fills']:,} times")
    for request in place["last"] if out.show_all else place["last"][-1:]:
        _request(out, request, "Last")
    for note in place["notes"] if out.show_all else place["notes"][-2:]:
        out.text(f"  Noted    {moment(note['ts'])} {escape(note['text'])}", 11)


def print_request(out: Screen, request: Facts) -> None:
    """Print the request that led to an order, and what the strategy knew then."""
    _request(out, request, "Asked")


def _request(out: Screen, request: Facts, head: str) -> None:
    asked = dict(request["asked"])
    first = " ".join(str(asked.pop(name)) for name in ("side", "type") if name in asked)
    rest = ", ".join(f"{name} {_plain(value)}" for name, value in asked.items())
    answer = "" if request["what"] == "protection" else f": {request['answer']}"
    number = f" {request['order_id']}" if request["order_id"] is not None and request["answer"] == "sent" else ""
    out.text(
        f"  {head:<8} {moment(request['ts'])} in {request['callback']}: "
        f"{request['what']} {first} {rest}{answer}{number}",
        11,
    )
    _given(out, request["told"], request["given"])


def print_call(out: Screen, call: Facts | None) -> None:
    """Print the last call of a strategy in Python up to a time."""
    if call is None:
        return
    wanted = f"requested {call['wanted']}" if call["wanted"] else "requested nothing"
    out.line(f"  Called   {call['callback']} at {moment(call['ts'])}: {wanted}")
    _given(out, call["told"], call["given"])
    for text in call["notes"]:
        out.text(f"  Noted    {escape(text)}", 11)


def _given(out: Screen, told: Mapping[str, Any] | None, given: Mapping[str, Any]) -> None:
    """Print what a callback was called with, and the values it could read."""
    if told is not None:
        arguments = {name: value for name, value in told.items() if not name.endswith("_ns") and name != "instrument"}
        out.text(f"           [dim]input  {_listed(arguments)}[/]", 18)
    out.text(f"           [dim]known  {_listed(given)}[/]", 18)


def _listed(values: Mapping[str, Any]) -> str:
    shown = list(values.items())
    text = ", ".join(f"{name} {_plain(value)}" for name, value in shown[-VALUES_SHOWN:])
    rest = len(shown) - VALUES_SHOWN
    return escape(text + (f" (+{rest} more: --json)" if rest > 0 else ""))


def _plain(value: Any) -> str:
    return significant(value) if isinstance(value, float) or value is None else str(value)
