"""Curves of a carry run as SVG: drawn once, read without a script, printed as they are seen.

A curve is drawn through the lowest and the highest of what falls on each of its steps, so no extreme is lost. Layers
are stacked, gains upwards and losses downwards, so their sum is the line between them. The drawing stretches to the
width there is and keeps its height; labels are text beside it, so they keep their size; a phone shows fewer of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from tightloop.app.text.numbers import Form, number

WIDTH, TOP, BOTTOM = 1_200.0, 8.0, 8.0
STEPS = 420
LAYER_STEPS = 220
TICKS = 5
PHONE_LABELS = 4
"""Time labels that fit on a phone."""
COLOURS = ("accent", "z1", "s1", "stop", "time", "ze1", "trail", "liquidation", "e1", "trace")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A named column over the instants of a chart; NaN is a gap. ``colour``: a CSS variable."""

    name: str
    values: Floats
    colour: str = "accent"


@dataclass(frozen=True, slots=True)
class _Box:
    """Maps instants and values to coordinates of the drawing."""

    begin: float
    end: float
    low: float
    high: float
    height: float

    def x(self, ts_ns: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
        span = (self.end - self.begin) or 1.0
        return np.asarray((np.asarray(ts_ns) - self.begin) / span * WIDTH)

    def y(self, values: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
        reach = (self.high - self.low) or 1.0
        return np.asarray(TOP + (self.high - np.asarray(values)) / reach * (self.height - TOP - BOTTOM))


def lines(
    ts_ns: Ints, curves: Sequence[Curve], form: Form, *, height: float = 240.0, marks: Sequence[Curve] = ()
) -> str:
    """Draw curves over time. ``marks``: reference levels (one value each)."""
    known = [curve for curve in curves if np.isfinite(curve.values).any()]
    if not known or len(ts_ns) < 2:
        return '<p class="none">None of these values was known in this run.</p>'
    levels = [mark for mark in marks if np.isfinite(mark.values).all()]
    low = min(float(np.nanmin(curve.values)) for curve in (*known, *levels))
    high = max(float(np.nanmax(curve.values)) for curve in (*known, *levels))
    box = _box(ts_ns, low, high, height)
    drawn = []
    for mark in levels:
        y = float(box.y(float(mark.values[0])))
        drawn.append(f'<line x1="0" x2="{WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}" class="level {mark.colour}"/>')
    drawn += [f'<path d="{_path(box, ts_ns, curve.values)}" style="stroke:var(--{curve.colour})"/>' for curve in known]
    return _plot(box, form, drawn, ", ".join(curve.name for curve in known)) + key([*known, *levels])


def layers(ts_ns: Ints, curves: Sequence[Curve], form: Form, *, height: float = 300.0) -> str:
    """Draw curves stacked on each other, and the line of their sum."""
    known = [curve for curve in curves if np.any(curve.values != 0.0)]
    if not known or len(ts_ns) < 2:
        return '<p class="none">None of these values was known in this run.</p>'
    at = np.unique(np.linspace(0, len(ts_ns) - 1, LAYER_STEPS).astype(np.int64))
    values = np.nan_to_num(np.stack([curve.values[at] for curve in known]))
    up, down = np.cumsum(np.maximum(values, 0.0), axis=0), np.cumsum(np.minimum(values, 0.0), axis=0)
    box = _box(ts_ns, min(0.0, float(down.min())), max(0.0, float(up.max())), height)
    times = ts_ns[at].astype(np.float64)
    drawn = []
    for row, curve in enumerate(known):
        for stack, part in ((up, np.maximum(values[row], 0.0)), (down, np.minimum(values[row], 0.0))):
            if np.any(part != 0.0):
                drawn.append(_area(box, times, stack[row] - part, stack[row], curve.colour))
    total = _points(box.x(times), box.y(values.sum(axis=0)))
    drawn.append(f'<path d="M{total}" style="stroke:var(--ink)"/>')
    return _plot(box, form, drawn, "stacked: " + ", ".join(curve.name for curve in known)) + key(known)


def coloured(names: Sequence[str], columns: Sequence[Floats]) -> list[Curve]:
    """Return curves with one colour each, in order."""
    pairs = zip(names, columns, strict=True)
    return [Curve(name, values, COLOURS[at % len(COLOURS)]) for at, (name, values) in enumerate(pairs)]


def key(curves: Sequence[Curve]) -> str:
    """Render the legend of the colours."""
    spans = "".join(
        f'<span><i class="mark stroke" style="--mark:var(--{curve.colour})"></i>{escape(curve.name)}</span>'
        for curve in curves
    )
    return f'<p class="key">{spans}</p>'


def _box(ts_ns: Ints, low: float, high: float, height: float) -> _Box:
    room = (high - low) * 0.04 or abs(high) * 0.01 or 1.0
    return _Box(float(ts_ns[0]), float(ts_ns[-1]), low - (room if low != 0.0 else 0.0), high + room, height)


def _plot(box: _Box, form: Form, drawn: Sequence[str], names: str) -> str:
    """Draw the shapes over the rules of the axis, with the labels of both axes beside them."""
    rules, values = _axis_of_values(box, form)
    size = f'viewBox="0 0 {WIDTH:.0f} {box.height:.0f}" preserveAspectRatio="none"'
    image = f'<svg {size} role="img" aria-label="{escape(names)}">{rules}{"".join(drawn)}</svg>'
    return f'<div class="curves" style="height:{box.height:.0f}px">{image}{values}{_axis_of_time(box)}</div>'


def _points(x: Floats, y: Floats) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _area(box: _Box, times: Floats, bottom: Floats, top: Floats, colour: str) -> str:
    x = box.x(times)
    outline = _points(np.concatenate([x, x[::-1]]), np.concatenate([box.y(top), box.y(bottom)[::-1]]))
    return f'<path class="layer" d="M{outline}Z" style="fill:var(--{colour})"/>'


def _path(box: _Box, ts_ns: Ints, values: Floats) -> str:
    """Return a path through the lowest and the highest value of each step; a gap where nothing is known."""
    found, is_open = [], False
    for part in np.array_split(np.arange(len(values)), min(len(values), STEPS)):
        values_of_step = values[part]
        there = np.flatnonzero(np.isfinite(values_of_step))
        if not len(there):
            is_open = False
            continue
        ends = sorted(
            {int(there[np.argmin(values_of_step[there])]), int(there[np.argmax(values_of_step[there])]), int(there[-1])}
        )
        at = part[ends]
        points = _points(box.x(ts_ns[at].astype(np.float64)), box.y(values[at]))
        found.append(("L" if is_open else "M") + points)
        is_open = True
    return "".join(found)


def _axis_of_values(box: _Box, form: Form) -> tuple[str, str]:
    """Return (grid lines as SVG, their labels as HTML placed in percent of the height)."""
    rules, labels = [], []
    step = _round_step((box.high - box.low) / TICKS)
    shown = Form(max(form.decimals if step >= 1.0 else 0, _decimals(step)) if step < 1.0 else 0, form.unit)
    for k in range(math.ceil(box.low / step), math.floor(box.high / step) + 1):
        y = float(box.y(k * step))
        rules.append(f'<line class="rule" x1="0" x2="{WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        labels.append(f'<span class="value" style="top:{y / box.height * 100:.2f}%">{number(k * step, shown)}</span>')
    return "".join(rules), "".join(labels)


def _axis_of_time(box: _Box) -> str:
    """Render time labels as HTML placed in percent of the width; a phone hides those in between."""
    found = _months(box.begin, box.end)
    stride = max(1, math.ceil(len(found) / PHONE_LABELS))
    labels = []
    for place, (moment, text) in enumerate(found):
        more = " wideonly" if place % stride else ""
        left = float(box.x(moment)) / WIDTH * 100
        labels.append(f'<span class="moment{more}" style="left:{left:.2f}%">{text}</span>')
    return f'<div class="moments">{"".join(labels)}</div>'


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0.0 else 1.0
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= raw * (1.0 - 1e-9))


def _decimals(step: float) -> int:
    return next((k for k in range(10) if abs(step * 10.0**k - round(step * 10.0**k)) < 1e-6), 9)


def _months(begin: float, end: float) -> list[tuple[float, str]]:
    """Return at most a dozen labels: first days of months, or days in a short run."""
    months = np.arange(
        np.datetime64(int(begin), "ns").astype("datetime64[M]"),
        np.datetime64(int(end), "ns").astype("datetime64[M]") + 1,
    )
    is_short = len(months) < 3
    if is_short:
        firsts = np.arange(*(np.datetime64(int(each), "ns").astype("datetime64[D]") for each in (begin, end)))
    else:
        firsts = months
    found = [(float(each.astype("datetime64[ns]").astype(np.int64)), str(each)) for each in firsts]
    inside = [each for each in found if begin + (end - begin) * 0.02 <= each[0] <= end - (end - begin) * 0.01]
    inside = inside[:: max(1, math.ceil(len(inside) / 14))]
    if is_short:
        return [(at, day[5:10]) for at, day in inside]
    said, labels = "", []
    for at, month in inside:
        year, name = month[:4], MONTHS[int(month[5:7]) - 1]
        labels.append((at, name if year == said else f"{name} {year}"))
        said = year
    return labels
