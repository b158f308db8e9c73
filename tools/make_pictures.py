"""Make the pictures of the guide's pages on ticks: `python tools/make_pictures.py [--out FOLDER] [NAME ...]`.

Each is of a real run on the pump laboratory (`tightloop data sample --scenario pump`), photographed by a headless
Chromium; nothing is drawn that the run did not say.
"""

import argparse
import base64
import importlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.show.explain import print_facts
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.results.recorder import Recorder

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
STRATEGIES = ROOT / "strategies" / "ticks"
COIN = "lab:PUMPBUSDT-perp"
SLOW_COIN = "lab:PUMPCUSDT-perp"  # its pump is too slow for the peak-fade short
NS = 1_000_000_000
INK, QUIET, GRID = "#16202c", "#6b7785", "#e3e7ec"
NEAR, FAR, PUMP = "#1e66c8", "#c9822b", "#0f8a5f"


def photograph(page: Path, out: Path, width: int, height: int, *, ready: str = "true", element: str = "") -> None:
    """A PNG of a page, or of one of its elements once ``ready`` is true in it."""
    sys.path.insert(0, str(ROOT / "tests"))
    devtools = importlib.import_module("ui.devtools")
    with devtools.Page(page, width, height) as tab:
        tab.wait_for(ready)
        clip: dict[str, float] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        if element:
            box = f"document.querySelector('{element}').getBoundingClientRect()"
            clip["y"], clip["height"] = tab.run(f"[{box}.top + scrollY, {box}.height]")
            clip["width"] = min(width, tab.run(f"{box}.right + {box}.left"))
        shot = tab._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)  # noqa: SLF001 (its only door)
    out.write_bytes(base64.b64decode(shot["data"]))


def run(lab: Path, strategy: str, coin: str, folder: Path) -> Path:
    """The folder of a run of an example on one coin."""
    done = runs_backtest.backtest(STRATEGIES / f"{strategy}.yaml", data=lab, instruments=[coin])
    done.write(folder / strategy)
    return folder / strategy


def ticks(lab: Path, folder: Path, out: Path) -> None:
    """The head of a report: figures, and the trade on its chart."""
    report = run(lab, "peak_fade_short", COIN, folder) / "report.html"
    photograph(report, out, 1100, 1390, ready="document.documentElement?.dataset.ready === 'true'")


def attribution(lab: Path, folder: Path, out: Path) -> None:
    """Where the money of a run went."""
    report = run(lab, "flash_pump_long", COIN, folder) / "report.html"
    photograph(report, out, 1100, 1000, ready="document.documentElement?.dataset.ready === 'true'", element="#costs")


def why(lab: Path, folder: Path, out: Path) -> None:
    """What `tightloop explain` prints of a coin whose pump was too slow."""
    facts = explain(run(lab, "peak_fade_short", SLOW_COIN, folder), data=str(lab))
    console = Console(record=True, width=132, file=io.StringIO(), force_terminal=True, highlight=False)
    print_facts(facts, console=console)
    palette = [(22, 32, 44), (190, 40, 40), (15, 120, 80), (165, 105, 0), (30, 102, 200), (120, 60, 160), (0, 120, 130),
               (90, 100, 112)]  # fmt: skip
    theme = TerminalTheme((252, 252, 250), (22, 32, 44), palette)
    text = console.export_html(theme=theme, inline_styles=True, code_format="<pre id=text>{code}</pre>")
    style = "font: 14px/1.45 'DejaVu Sans Mono', monospace; padding: 18px 22px; margin: 0; display: inline-block"
    command = f"<span style='color:{QUIET}'>$ tightloop explain runs/peak --data lab</span>\n"
    page = folder / "why.html"
    text = text.replace("<pre id=text>", f'<pre id=text style="{style}">{command}')
    page.write_text(f"<!doctype html><meta charset=utf-8><body style='margin:0;background:#fcfcfa'>{text}", "utf-8")
    photograph(page, out, 1240, 600, element="#text")


# Windows --------------------------------------------------------------------------------------------------------------

Series = npt.NDArray[np.float64]


def seen_by(lab: Path, names: Iterable[str]) -> tuple[Series, dict[str, Series], float, list[tuple[float, str]]]:
    """A run of the peak-fade short: seconds and values at each of its steps, when S1 fired, what followed."""
    loaded = runs_strategies.load_strategies([STRATEGIES / "peak_fade_short.yaml"], instruments=[COIN])
    market = load_tick_market(loaded, lab)
    plan = make_plan(loaded, market.rules)
    at_ns: list[int] = []
    rows: list[list[float]] = []
    places = [list(loaded[0].variants).index(name) for name in names]

    def look(own: Plan) -> None:
        state = own.states[0]
        slots = state["value_slots"][int(state["instances"][0]["value_base"]) :]
        at_ns.append(int(state["ts_ns"]))
        rows.append([float(state["instruments"][0]["last"]), *(float(own.arena[slots[k]]) for k in places)])

    ticks_one_by_one.run(plan, market.feed(plan), Recorder(), look)
    done = runs_backtest.backtest(STRATEGIES / "peak_fade_short.yaml", data=lab, instruments=[COIN])
    fired = [(int(own["ts"]), str(own["section"])) for own in done.signals.iter_rows(named=True)]
    s1_ns = next(ts for ts, section in fired if section == "S1")
    values = np.array(rows)
    columns = {name: values[:, k] for k, name in enumerate(("last", *names))}
    seconds = (np.array(at_ns) - s1_ns) / NS
    return seconds, columns, s1_ns / NS, [((ts - s1_ns) / NS, section) for ts, section in fired]


class Plot:
    """A part of the picture: seconds to the right, a value upwards."""

    def __init__(self, top: int, height: int, low: float, high: float, span: tuple[float, float]) -> None:
        self.top, self.height, self.low, self.high, self.span = top, height, low, high, span
        self.parts: list[str] = []

    def x(self, second: float) -> float:
        return 64 + 1_000 * (second - self.span[0]) / (self.span[1] - self.span[0])

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - (value - self.low) / (self.high - self.low))

    def line(self, seconds: Series, values: Series, color: str, width: float = 1.5) -> None:
        inside = (seconds >= self.span[0]) & (seconds <= self.span[1]) & ~np.isnan(values)
        at = [f"{self.x(s):.1f} {self.y(v):.1f}" for s, v in zip(seconds[inside], values[inside], strict=True)]
        path = "M" + " L".join(at)
        self.parts.append(f"<path d='{path}' fill='none' stroke='{color}' stroke-width='{width}'/>")

    def rule(self, value: float, text: str, color: str = GRID, ink: str = QUIET) -> None:
        y = self.y(value)
        self.parts.append(f"<path d='M64 {y:.1f}H1064' stroke='{color}'/>")
        self.parts.append(f"<text x='58' y='{y + 4:.1f}' text-anchor='end' fill='{ink}'>{escape(text)}</text>")

    def window(self, begin: float, end: float, color: str, text: str) -> None:
        left, right = self.x(begin), self.x(end)
        self.parts.append(f"<rect x='{left:.1f}' y='{self.top}' width='{right - left:.1f}' height='{self.height}' "
                          f"fill='{color}' opacity='.13'/>")  # fmt: skip
        self.say((begin + end) / 2, self.top + 17, text, color)

    def say(self, second: float, y: float, text: str, color: str, anchor: str = "middle") -> None:
        self.parts.append(
            f"<text x='{self.x(second):.1f}' y='{y:.1f}' fill='{color}' text-anchor='{anchor}'>{escape(text)}</text>"
        )

    def mark(self, second: float, text: str, below: int) -> None:
        x = self.x(second)
        self.parts.append(f"<path d='M{x:.1f} {self.top}V{below}' stroke='{INK}' stroke-dasharray='4 3'/>")
        self.say(second, self.top - 8, text, INK)


def windows(lab: Path, folder: Path, out: Path) -> None:
    """A pump as PUMP_MAGNITUDE_PCT sees it: the price, both windows at the moment of S1, and the value over time."""
    seconds, columns, s1_s, fired = seen_by(lab, ("pump", "surge"))
    span = (-95.0, 45.0)
    inside = (seconds >= span[0]) & (seconds <= span[1])
    last, pump = columns["last"], columns["pump"]
    low, high = float(last[inside].min()), float(last[inside].max())
    room = (high - low) * 0.08
    price = Plot(60, 260, low - room, high + 3 * room, span)
    for k in range(4):
        own = low + (high - low) * k / 3
        price.rule(own, f"{own:.4f}")
    price.window(-60.0, -30.0, FAR, "base: (60, 30] s before")
    price.window(-10.0, 0.0, NEAR, "")
    price.say(-11.0, 77.0, "now: (10, 0]", NEAR, "end")
    price.line(seconds, last, INK)
    moment = datetime.fromtimestamp(s1_s, UTC).strftime("%H:%M:%S")
    price.mark(0.0, f"S1 at {moment}", 570)
    for second, section in fired:
        if section == "Z1" and second < span[1]:
            price.mark(second, f"Z1, {second:.0f} s later", 570)
    value = Plot(370, 200, -1.0, float(np.nanmax(pump[inside])) + 1.5, span)
    for own in (0.0, 4.0):
        value.rule(own, f"{own:.0f} %")
    value.rule(8.0, "8 %", PUMP, PUMP)
    value.line(seconds, pump, PUMP, 2.0)
    formula = "PUMP_MAGNITUDE_PCT {t1: 10, t3: 60, d: 30}: mean price of now against that of the base"
    value.say(-93.0, 388.0, formula, PUMP, "start")
    for second in range(-90, 46, 15):
        value.say(second, 592.0, f"{second:+d} s" if second else "0 s", QUIET)
    page = folder / "windows.html"
    page.write_text(_svg([*price.parts, *value.parts], f"{COIN}, last price of every trade"), "utf-8")
    photograph(page, out, 1085, 606)


def _svg(parts: list[str], title: str) -> str:
    head = "<svg xmlns='http://www.w3.org/2000/svg' width='1085' height='606' font-family='DejaVu Sans' font-size='13'>"
    head += "<rect width='1085' height='606' fill='#fcfcfa'/>"
    head += f"<text x='12' y='28' font-size='16' font-weight='600' fill='{INK}'>{escape(title)}</text>"
    return f"<!doctype html><meta charset=utf-8><body style='margin:0;overflow:hidden'>{head}{''.join(parts)}</svg>"


PICTURES: dict[str, Callable[[Path, Path, Path], None]] = {
    "ticks": ticks, "windows": windows, "attribution": attribution, "why": why,
}  # fmt: skip


def main(arguments: list[str]) -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=IMAGES, help="where the pictures go (docs/images)")
    parser.add_argument("names", nargs="*", choices=[[], *PICTURES], metavar="NAME", help=f"of {', '.join(PICTURES)}")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lab = folder / "lab"
        write_tick_sample(lab, ["pump"], seed=1)
        for own in options.names or list(PICTURES):
            PICTURES[own](lab, folder, options.out / f"{own}.png")
            print(options.out / f"{own}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
