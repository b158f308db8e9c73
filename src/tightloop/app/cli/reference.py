"""Comparison of the reference strategies with a file of expected figures: ``python3 dev.py reference``.

The file maps windows (``2024-01-01..2025-06-30``) to figures, and each figure to named numbers. A figure is the
strategy file of that name; a number at its end is the value of the parameter ``ltv``: ``loop_weETH_0.65`` is
``loop_weETH.yaml`` at 0.65. Numbers are equal when they differ by at most 1e-9 of the larger of the expected value and
a scale: the spot price for figures per coin, the capital for money, 1 for ratios and rates. Counts, instants and nulls
must match exactly.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from tightloop.app.cli.console import errors_shown
from tightloop.app.cli.options import FILE, FOLDER
from tightloop.app.runs.carry import backtest_carry
from tightloop.model.carry import read as carry_read
from tightloop.model.errors import InputError, Problem

ROOT = Path(__file__).resolve().parents[4]
STRATEGIES = ROOT / "strategies" / "reference"
SHARED = ROOT.parent / "shared"
TOLERANCE = 1e-9
WINDOW = re.compile(r"(\d{4}-\d\d-\d\d[^.]*)\.\.(\d{4}-\d\d-\d\d.*)")
PARAMETER = re.compile(r"(.+)_(\d+(?:\.\d+)?)")
OF_A_COIN = ("funding_per_coin", "basis_per_coin", "total_per_coin", "spot0", "perp0", "spotT", "perpT")
MONEY = ("final", "pnl", "funding", "fees", "gas", "basis", "onchain", "perp_mtm")
BASE = 100.0
BASE_MONEY = 100_000.0


class Refused(Exception):
    """A figure cannot be worked out; the message says why."""


def derived(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return every number that may be expected, by name, from ``result.json``."""
    figures, metrics = result["figures"], result["metrics"]
    ratio, rate = figures["ratio"], figures["rate0"]
    return {
        **metrics,
        **figures,
        "final": result["final_equity"],
        "pnl": result["final_equity"] - result["initial_equity"] - figures["flows"],
        "at": figures["min_ratio_at"],
        "growth": ratio,
        "equity_ratio": ratio,
        "final_100k": BASE_MONEY * ratio,
        "eth_end": BASE * ratio,
        "units_per_100eth": None if rate is None else BASE / rate,
    }


def scale_of(name: str, found: Mapping[str, Any], capital: float) -> float:
    """Return the scale that a difference is measured against when the expected number is small."""
    if name in OF_A_COIN:
        return float(found["spot0"])
    if name == "final_100k":
        return BASE_MONEY
    if name == "eth_end":
        return BASE
    return capital if name in MONEY else 1.0


def same(expected: Any, found: Any, scale: float) -> bool:
    """Compare a number with the expected one within TOLERANCE; counts, texts and nulls exactly."""
    exact = (expected, found)
    if any(each is None or isinstance(each, str | bool) for each in exact):
        return bool(expected == found)
    if isinstance(expected, int) and isinstance(found, int):
        return expected == found
    return abs(float(found) - float(expected)) <= TOLERANCE * max(abs(float(expected)), scale)


def strategy_of(figure: str) -> tuple[Path, list[str]]:
    """Return the file of a figure, and the settings its name implies; raises Refused when there is none."""
    path = STRATEGIES / f"{figure}.yaml"
    if path.is_file():
        return path, []
    numbered = PARAMETER.fullmatch(figure)
    if numbered and (STRATEGIES / f"{numbered[1]}.yaml").is_file():
        return STRATEGIES / f"{numbered[1]}.yaml", [f"params.ltv={numbered[2]}"]
    there = ", ".join(sorted(file.stem for file in STRATEGIES.glob("*.yaml")))
    raise Refused(f"there is no {figure}.yaml in {STRATEGIES.as_posix()}; there are {there}")


def expected_of(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Read the file of expected figures; raises InputError with every problem in it."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        remedy = "name the file of expected figures with --file"
        raise InputError.one(path, None, "", "cannot be read", remedy) from None
    except ValueError as error:
        raise InputError.one(path, None, "", f"is not JSON: {error}", "write windows, figures and numbers") from None
    problems: list[Problem] = []
    windows = written if isinstance(written, dict) else {}
    if not windows:
        problems.append(Problem(str(path), None, "", "names no window", 'write {"2024-01-01..2025-06-30": {...}}'))
    for window, figures in windows.items():
        if not WINDOW.fullmatch(window):
            problems.append(
                Problem(str(path), None, window, "is not FROM..TO", "write for example 2024-01-01..2025-06-30")
            )
        if not isinstance(figures, dict) or not all(isinstance(numbers, dict) for numbers in figures.values()):
            problems.append(
                Problem(str(path), None, window, "does not map figures to numbers", "write it like the other windows")
            )
    if problems:
        raise InputError(*problems)
    return windows


def rows_of(
    expected: Mapping[str, Mapping[str, Mapping[str, Any]]], data: Path
) -> Iterator[tuple[str, str, Any, Any, Any]]:
    """Yield (window and figure, name, expected, found or Refused, whether they are equal)."""
    for window, figures in expected.items():
        start, end = window.split("..")
        for figure, numbers in figures.items():
            place = f"{window} {figure}"
            try:
                path, settings = strategy_of(figure)
                strategy = carry_read.load(path, settings=settings)
                run = backtest_carry(strategy, data=data, start=start, end=end)
            except (Refused, InputError) as error:
                for name, number in numbers.items():
                    yield place, name, number, Refused(str(error)), False
                continue
            found = derived(run.summary)
            for name, number in numbers.items():
                if name not in found:
                    yield place, name, number, Refused(f"no figure is called {name}"), False
                    continue
                scale = scale_of(name, found, strategy.capital) if found[name] is not None else 1.0
                yield place, name, number, found[name], same(number, found[name], scale)


def difference(expected: Any, found: Any) -> str:
    """Format the difference of a number from the expected one."""
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return f"{found - expected:.3g}" if math.isfinite(found) else "-"
    return "0" if expected == found else "-"


@click.command("reference", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=FOLDER, default=None, help="Folder of the catalog [the shared one beside the repository].")
@click.option("--file", "file", type=FILE, default=None, help="Expected figures [yield.json of the shared folder].")
def main(data: Path | None, file: Path | None) -> None:
    """Run the reference strategies over every window of a file: figure, expected, difference. Ends with 1 when one
    differs."""
    with errors_shown():
        wanted = file or SHARED / "reference" / "yield.json"
        catalog = data or SHARED / "data"
        if not catalog.is_dir():
            message = f"{catalog} is not a folder" if data else "there is no catalog beside the repository"
            raise InputError.one("command line", None, "--data", message, "name the folder of a catalog with --data")
        different, count, shown, said = 0, 0, "", set[str]()
        for place, name, number, found, is_same in rows_of(expected_of(wanted), catalog):
            lines = []
            if place != shown:
                lines, shown = [place], place
            mark = "" if is_same else "  DIFFERS"
            if isinstance(found, Refused):
                mark = f"  {found}" if f"{place} {found}" not in said else "  the same"
                said.add(f"{place} {found}")
            lines.append(f"  {name:<20} {_text(number):>24}  {difference(number, found):>10}{mark}")
            click.echo("\n".join(lines))
            count += 1
            different += not is_same
        click.echo(f"{count - different} of {count} figures are as expected.")
    if different:
        raise SystemExit(1)


def _text(number: Any) -> str:
    if number is None:
        return "null"
    return f"{number:.15g}" if isinstance(number, float) else str(number)


if __name__ == "__main__":
    main()
