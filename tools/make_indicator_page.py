"""Write docs/indicators.md from what the files of core/indicators declare: `python tools/make_indicator_page.py`.

A test compares the page with what this writes, so a new indicator can not be left out.
"""

import re
from pathlib import Path

from tightloop.core import indicators
from tightloop.core.indicators.contract import Choice, Parameter

PAGE = Path(__file__).resolve().parent.parent / "docs" / "indicators.md"
HEAD = """# Indicators

Written by `tools/make_indicator_page.py`; `tightloop indicators` shows the same. A variant names a type, its
parameters and, where there are several, the output: `{type: BOLLINGER, period: 20, deviations: 2, output: upper}`.
Without `output` the first one is meant. `timeframe: 1h` computes it on that multiple of the run's bars, known at their
close only.

Indicators count bars, so a hole in the data does not un-warm them. Until its warm-up an indicator is UNKNOWN, and no
section acts on it. Where TA-Lib has the indicator the values are those of TA-Lib (tests compare), warm-up and flat
markets included. `source` reads another field of the bar: `{type: ZSCORE, period: 120, source: volume}`.

The same type with the same parameters is computed once, however many variants and strategies name it.

## Windows of time

Types with `refresh` are computed on ticks, over windows of time. A window (t1, t2) is given in seconds before now, T,
and covers (T - t1, T - t2]: a tick exactly at its beginning is outside, one exactly at its end inside. Values are taken
at every tick of the instrument and, though nothing happens, at the points of a grid: multiples in UTC of `refresh`
seconds, 0 for the type's own. Samples of a lookback are taken on the grid alone.

Until a tick lies at or before the beginning of a window, and after a gap in the data until the window begins behind it,
the value is UNKNOWN; so it is where nothing is defined, as the mean of a window without a print. An empty window has
the sum 0 and the count 0. A price in force counts for as long as it was in force inside the window.
"""


def described(parameter: Parameter) -> str:
    """A row of the table of parameters."""
    if isinstance(parameter, Choice):
        words = ", ".join(f"`{word}`" for word in parameter.words)
        return f"| `{parameter.name}` | {parameter.default} | {words} | {parameter.meaning} |"
    default = "required" if parameter.default is None else f"{parameter.default:g}"
    bounds = f"{parameter.bounds()}{', whole' if parameter.whole else ''}"
    return f"| `{parameter.name}` | {default} | {bounds} | {parameter.meaning} |"


def formula_of(text: str) -> str:
    """The formula as Markdown: a star is no emphasis, a bar no column."""
    return re.sub(r"([*|])", r"\\\1", text)


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for name in indicators.types_found():
        own = indicators.load(name)
        outputs = ", ".join(f"`{output}`" for output in own.outputs)
        parts.append(f"## {name}\n\n{formula_of(own.formula)}\n\nOutputs: {outputs}\n")
        if own.parameters:
            head = "| parameter | default | values | |\n|---|---|---|---|\n"
            parts.append(head + "\n".join(described(parameter) for parameter in own.parameters) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
