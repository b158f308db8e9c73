"""Formatting of numbers, amounts, times and spans for reports and the screen.

Python formats the fixed parts of a page and JavaScript (`assets/report_numbers.js`) the interactive ones, both from the
same `Form`s, which are embedded in the page. A test checks that both give the same text.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import numpy.typing as npt

from tightloop.model.times import SECOND_NS, iso_ns

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
DECIMALS_MAX = 8


@dataclass(frozen=True, slots=True)
class Form:
    """How a number is written: ``decimals`` after the point, ``unit`` appended, ``signed`` puts a plus before gains."""

    decimals: int
    unit: str = ""
    signed: bool = False


PERCENT = Form(2, "%")
PERCENT_SIGNED = Form(2, "%", signed=True)
SHARE = Form(1, "%")
RATIO = Form(2)
COUNT = Form(0)
DAYS = Form(1, " days")
BPS = Form(2, " bps")


def forms(initial_equity: float) -> dict[str, Form]:
    """Return the forms of a page by name; money gets more decimals the smaller the capital (1,000,000: 2, 2.5: 6)."""
    decimals = 2 if initial_equity >= 1_000 else 4 if initial_equity >= 50 else 6
    return {
        "money": Form(decimals),
        "money_signed": Form(decimals, signed=True),
        "percent": PERCENT,
        "percent_signed": PERCENT_SIGNED,
        "share": SHARE,
        "ratio": RATIO,
        "count": COUNT,
        "days": DAYS,
        "bps": BPS,
    }


FIXED_BELOW = 1e16
"""Above 2**53, about 9e15, floats have no decimals left: from here on numbers are written as powers of ten."""


def known(value: object) -> float | None:
    """Convert to a finite float; None for null, text, NaN and infinity."""
    if value is None or isinstance(value, str):
        return None
    number = float(str(value)) if not isinstance(value, int | float) else float(value)
    return number if math.isfinite(number) else None


def number(value: object, form: Form) -> str:
    """Format ``value``; an unknown value is a dash, never 0. Ties round away from zero."""
    amount = known(value)
    if amount is None:
        return MISSING
    if abs(amount) >= FIXED_BELOW:
        return f"{'+' if form.signed and amount > 0 else ''}{significant(amount)}{form.unit}"
    rounded = Decimal(amount).quantize(Decimal(1).scaleb(-form.decimals), rounding=ROUND_HALF_UP)
    if rounded == 0:
        rounded = abs(rounded)
    sign = MINUS if rounded < 0 else "+" if form.signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,f}{form.unit}"


def significant(value: object) -> str:
    """Format with six significant digits, for indicator values and limits of unknown scale."""
    amount = known(value)
    if amount is None:
        return MISSING
    text = re.sub(r"e([+-])0+", r"e\1", repr(float(f"{amount:.6g}")).removesuffix(".0"))
    return text.replace("-", MINUS)


def span(seconds: object) -> str:
    """Format a duration in its two largest units: 3d 4h, 2h 5m, 30m, 12s, 0.25s."""
    amount = known(seconds)
    if amount is None:
        return MISSING
    if amount < 60:
        return f"{amount:.0f}s" if amount == round(amount) else f"{amount:.2f}s"
    whole = int(amount)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    large, unit, small, small_unit = (
        (days, "d", hours, "h") if days else (hours, "h", minutes, "m") if hours else (minutes, "m", whole % 60, "s")
    )
    return f"{large}{unit} {small}{small_unit}" if small else f"{large}{unit}"


def nanoseconds(stamp: object) -> int | None:
    """Convert a time stamp of a result file (int64 ns UTC, or ISO text; UTC without a zone) to ns."""
    if stamp is None:
        return None
    if isinstance(stamp, datetime):
        return nanoseconds(stamp.isoformat())
    if isinstance(stamp, str):
        ts_ns = iso_ns(stamp)
        assert ts_ns is not None, f"a stamp of a result is ISO 8601, not {stamp!r}"
        return ts_ns
    assert isinstance(stamp, int | np.integer), f"a stamp is int64 nanoseconds or ISO text, not {stamp!r}"
    return int(stamp)


def moment(stamp: object) -> str:
    """Format a time stamp in UTC to the minute, with seconds and milliseconds only where they are not zero."""
    ns = nanoseconds(stamp)
    if ns is None:
        return MISSING
    text = datetime.fromtimestamp(ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S")
    millis = ns % SECOND_NS // 1_000_000
    if millis:
        return f"{text}.{millis:03d}"
    return text.removesuffix(":00") if text.endswith(":00") else text


def day(stamp: object) -> str:
    """Format the UTC date of a time stamp."""
    ns = nanoseconds(stamp)
    return MISSING if ns is None else datetime.fromtimestamp(ns // SECOND_NS, UTC).strftime("%Y-%m-%d")


def decimals_of(values: npt.NDArray[np.float64]) -> int | None:
    """Return the fewest decimals that write every finite value exactly; None when eight are not enough."""
    finite = values[np.isfinite(values)]
    for decimals in range(DECIMALS_MAX + 1):
        scaled = finite * 10.0**decimals
        if bool(np.all(np.abs(scaled - np.rint(scaled)) <= np.maximum(1e-9, 2e-15 * np.abs(scaled)))):
            return decimals
    return None


def step_form(step: float | None) -> Form | None:
    """Return how numbers with this increment are written; None if there is none."""
    if step is None or step <= 0.0:
        return None
    decimals = decimals_of(np.array([step]))
    return None if decimals is None else Form(decimals)


def price_decimals(prices: npt.NDArray[np.float64]) -> int:
    """Return the decimals for an instrument's prices; about seven significant digits where none is exact."""
    exact = decimals_of(prices)
    if exact is not None:
        return exact
    finite = prices[np.isfinite(prices)]
    top = float(np.max(np.abs(finite), initial=0.0))
    return max(0, min(DECIMALS_MAX, 6 - math.floor(math.log10(top)))) if top > 0 else 2


def tone(value: object) -> str:
    """Return the CSS class of a gain or a loss; empty for zero and unknown values."""
    amount = known(value)
    return "" if not amount else "gain" if amount > 0 else "loss"
