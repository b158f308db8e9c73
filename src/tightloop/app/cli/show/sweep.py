"""Table of a sweep on the terminal: the best parameter sets first."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import click
import polars as pl

from tightloop.app.cli.console import table
from tightloop.model.errors import InputError
from tightloop.runtime.backtest.sweep import DENIED
from tightloop.runtime.results.metrics import METRICS, SWEPT

SHOWN = 20
LESS_IS_BETTER = ("drawdown_pct", DENIED)
COLUMNS = ("total_return_pct", "sharpe", "max_drawdown_pct", "trades", "win_rate_pct", "profit_factor", "denied")
CARRY_COLUMNS = (
    "apy",
    "sharpe",
    "max_drawdown_pct",
    "min_ratio",
    "hf_min",
    "resizes",
    "liquidations",
    "rollbacks",
    "denied",
)


def check_sort(sort: str, *, has_split: bool) -> None:
    """Refuse an unknown metric before the sweep runs."""
    known = [*METRICS, DENIED, *SWEPT]
    known += [f"oos_{name}" for name in known] if has_split else []
    if sort not in known:
        near = difflib.get_close_matches(sort, known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
        raise InputError.one("command line", None, "--sort", f"{sort!r} is not a metric", remedy)


def print_sweep(frame: pl.DataFrame, parameters: Sequence[str], sort: str, path: Path) -> None:
    """Print the first sets by a metric, in-sample and (with a split) out-of-sample, and the file with all of them."""
    shown = CARRY_COLUMNS if "hf_min" in frame.columns else COLUMNS
    columns = [*parameters, *shown]
    columns += [f"oos_{name}" for name in shown[:3] if f"oos_{name}" in frame.columns]
    if sort not in frame.columns:
        remedy = f"write one of {', '.join(METRICS)}"
        raise InputError.one("command line", None, "--sort", f"{sort} is a figure of carry strategies", remedy)
    best = frame.sort(sort, descending=not sort.endswith(LESS_IS_BETTER), nulls_last=True).head(SHOWN)
    rows = [tuple(_shown(value) for value in row) for row in best.select(columns).iter_rows()]
    for line in table(columns, rows, right=frozenset(range(len(columns)))):
        click.echo(line)
    refused = int((frame[DENIED] > 0).sum()) if DENIED in frame.columns else 0
    if refused:
        click.echo(
            f"entries were denied in {refused} of {len(frame)} sets; `tightloop backtest` with one of them says why"
        )
    if len(frame) > SHOWN:
        click.echo(f"... {len(frame) - SHOWN} more")
    click.echo(str(path))


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
