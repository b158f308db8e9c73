"""Faults that a twin can play, by the names of their classes; each is asked for where it would strike.

A fault is armed with ``count`` (the next n occasions), ``rate`` (a share of all occasions, drawn by the seed) or
``for_s`` (all occasions of some seconds; with ``rate`` a share of these), from ``at_s`` on (seconds after the start).
``match`` narrows requests to those whose "METHOD path" contains it, ``symbol`` narrows to a symbol, ``value`` is an
amount whose meaning is the class's. ``hits`` counts how often each class struck.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tightloop.model.errors import InputError
from tightloop.model.times import SECOND_NS

NET = (
    "ack_lost", "request_lost", "slow_reply", "half_open", "reset", "ws_drop", "ws_silent", "pong_lost",
    "partial_frame",
)  # fmt: skip
ANSWERS = (
    "http_5xx", "rate_429", "ban_418", "maintenance", "clock_skew", "signature_refused", "key_no_permission",
    "order_refused", "margin_refused", "reduce_refused", "would_trigger", "id_repeated_accepted",
)  # fmt: skip
REPORTS = (
    "fill_twice", "fill_before_ack", "fill_out_of_order", "fill_missing", "cancel_fill_race", "cancel_refused",
    "report_after_end", "stale_snapshot", "history_lags", "stop_refused_at_trigger", "knocked_out",
)  # fmt: skip
MARKET = (
    "book_gap", "book_crossed", "book_stale", "trade_id_gap", "print_repeated", "time_backwards", "price_spike",
    "feed_silent",
)  # fmt: skip
ACCOUNT = (
    "closed_by_hand", "opened_by_hand", "liquidated", "adl", "funding_interval_changed", "balance_moved",
    "leverage_changed",
)  # fmt: skip
RULES = ("increments_changed", "halted", "delisted")
KINDS = (*NET, *ANSWERS, *REPORTS, *MARKET, *ACCOUNT, *RULES)
AT_ONCE = (*ACCOUNT, *RULES, "price_spike", "knocked_out")
"""Classes that strike by themselves when they are due, not at an occasion."""
_FIELDS = {"kind", "count", "rate", "for_s", "at_s", "match", "symbol", "value"}


@dataclass(slots=True)
class Armed:
    """A fault that may strike. ``left`` None: no bound on the number; ``until_ns`` None: no end."""

    kind: str
    begin_ns: int
    until_ns: int | None
    left: int | None
    rate: float
    match: str
    symbol: str | None
    value: float | None


class Faults:
    """The faults that are armed, and how often each class struck. Equal seeds and equal occasions strike alike."""

    def __init__(self, seed: int) -> None:
        self.hits: dict[str, int] = {}
        self.armed: list[Armed] = []
        self._draw = random.Random(f"faults {seed}")

    def arm(self, body: Mapping[str, Any], start_ns: int, now_ns: int) -> Armed:
        """Arm a fault. ``start_ns``: what ``at_s`` counts from. Raises InputError."""
        unknown = sorted(set(body) - _FIELDS)
        if unknown:
            raise _wrong(unknown[0], "is not a key of a fault", f"use some of {', '.join(sorted(_FIELDS))}")
        kind = str(body["kind"]) if "kind" in body else ""
        if kind not in KINDS:
            raise _wrong("kind", f"{kind!r} is not a fault that this twin plays", f"use one of {', '.join(KINDS)}")
        numbers = {name: _number(body, name) for name in ("count", "rate", "for_s", "at_s", "value")}
        rate, for_s, at_s, count = (numbers[name] for name in ("rate", "for_s", "at_s", "count"))
        if rate is not None and not 0.0 < rate <= 1.0:
            raise _wrong("rate", f"{rate:g} is not a share", "write a number above 0 and up to 1")
        begin_ns = now_ns if at_s is None else start_ns + int(at_s * SECOND_NS)
        bounded = count is not None or rate is not None or for_s is not None
        armed = Armed(
            kind=kind,
            begin_ns=begin_ns,
            until_ns=None if for_s is None else begin_ns + int(for_s * SECOND_NS),
            left=int(count) if count is not None else None if bounded else 1,
            rate=1.0 if rate is None else rate,
            match=str(body["match"]) if "match" in body else "",
            symbol=str(body["symbol"]) if "symbol" in body else None,
            value=numbers["value"],
        )
        self.armed.append(armed)
        return armed

    def strikes(
        self, kind: str, now_ns: int, *, call: str = "", symbol: str | None = None, is_usual: bool = True
    ) -> Armed | None:
        """Return the fault that strikes at this occasion; None if none does.

        ``is_usual``: whether a fault without a ``match`` strikes here.
        """
        for armed in self.armed:
            if armed.kind != kind or (armed.match not in call if armed.match else not is_usual):
                continue
            if armed.symbol is not None and symbol is not None and armed.symbol != symbol:
                continue
            if self._falls(armed, now_ns):
                return armed
        return None

    def _falls(self, armed: Armed, now_ns: int) -> bool:
        """Return whether a fault strikes at an occasion that is its, and count it."""
        if now_ns < armed.begin_ns or (armed.rate < 1.0 and self._draw.random() >= armed.rate):
            return False
        is_over = armed.until_ns is not None and now_ns >= armed.until_ns
        if not is_over:
            self.hits[armed.kind] = self.hits[armed.kind] + 1 if armed.kind in self.hits else 1
            armed.left = None if armed.left is None else armed.left - 1
        if is_over or armed.left == 0:
            self.armed = [found for found in self.armed if found is not armed]
        return not is_over

    def due(self, now_ns: int, can_strike: Callable[[Armed], bool]) -> list[Armed]:
        """Return the faults that strike by themselves now, each once; those that cannot yet stay armed."""
        found = []
        for armed in [waits for waits in self.armed if waits.kind in AT_ONCE]:
            if can_strike(armed) and self._falls(armed, now_ns):
                found.append(armed)
                if armed.left is None:  # an effect that lasts, not one at each moment
                    self.armed = [waits for waits in self.armed if waits is not armed]
        return found


def _number(body: Mapping[str, Any], name: str) -> float | None:
    if name not in body:
        return None
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, f"{value!r} is not a number", "write a number")
    return float(value)


def _wrong(field: str, message: str, remedy: str) -> InputError:
    return InputError.one("fault", None, field, message, remedy)
