"""Runs one case through the product and through the plain simulator, and says where they differ."""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import yaml

import tightloop
from differential.indicators import Bar
from differential.simulator import Outcome, simulate
from differential.strategies import Case

ACCEPT = ("holes", "cadence", "units", "straight_line")
BOTH_DRIVERS_EVERY = 10
RELATIVE, ABSOLUTE = 1e-9, 1e-9
FLAT = {"exit", "nothing_to_reduce"}  # two words for one thing: what protected a position went with it

COLUMNS: dict[str, tuple[str, ...]] = {
    "signals": ("ts", "strategy", "instrument", "section", "event", "reason", "price"),
    "orders": (
        "submitted_ts", "strategy", "instrument", "role", "side", "type", "tif", "price", "stop_price", "qty",
        "reduce_only", "state", "reason", "filled_qty", "avg_price", "updated_ts",
    ),
    "fills": (
        "ts", "strategy", "instrument", "role", "side", "qty", "price", "fee", "slippage", "liquidity",
    ),
    "trades": (
        "entry_ts", "strategy", "instrument", "side", "qty", "entry_price", "exit_ts", "exit_price", "pnl", "fees",
        "funding", "slippage", "exit_reason",
    ),
    "equity": ("ts", "equity", "cash", "drawdown_pct"),
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The first difference of a case: where, what the simulator says, what the product says."""

    table: str
    row: int
    column: str
    plain: Any
    product: Any
    rows: tuple[Any, Any] = (None, None)

    def __str__(self) -> str:
        return f"{self.table}[{self.row}].{self.column}: simulator {self.plain!r}, product {self.product!r}"


@dataclass(frozen=True)
class Verdict:
    """What came of a case; ``is_doubtful`` when the last bits of a float may be why it differs."""

    difference: Difference | None
    is_doubtful: bool = False
    roles: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class Refused(Exception):
    """The product does not take this strategy; nothing to compare."""


def text_of(strategy: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(strategy), sort_keys=False, width=120)


def write_catalog(folder: Path, case: Case) -> None:
    """The market of a case as a catalog."""
    timeframe = case.strategies[0]["timeframe"]
    for name, rows in case.bars.items():
        venue, symbol = name.split(":")
        path = folder / "bars" / venue / f"{symbol}-{timeframe}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame_of(rows).write_parquet(path)
    (folder / "instruments.yaml").write_text(yaml.safe_dump(case.rules, sort_keys=False))
    for name, rates in case.rates.items():
        venue, symbol = name.split(":")
        path = folder / "funding" / venue / f"{symbol.rsplit('-', 1)[0]}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ts = pl.Series([ts_ns for ts_ns, _ in rates], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
        pl.DataFrame({"ts": ts, "rate": [rate for _, rate in rates]}).write_parquet(path)


def frame_of(rows: Sequence[Bar]) -> pl.DataFrame:
    ts = pl.Series([row.ts_ns for row in rows], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    prices = {name: [getattr(row, name) for row in rows] for name in ("open", "high", "low", "close", "volume")}
    return pl.DataFrame({"ts": ts} | prices)


def run_product(case: Case, *, one_by_one: bool = False) -> Any:
    """The run of the product. Raises Refused when it does not take the strategy."""
    texts = [text_of(own) for own in case.strategies]
    with tempfile.TemporaryDirectory() as folder:
        write_catalog(Path(folder), case)
        try:
            return tightloop.backtest(*texts, data=folder, accept=ACCEPT, one_by_one=one_by_one)
        except tightloop.InputError as error:
            raise Refused(str(error)) from error


def _drivers(case: Case, product: Any) -> Difference | None:
    """Where the other driver of the product ends in another state."""
    hashes = [own.summary["state_hash"] for own in (product, run_product(case, one_by_one=True))]
    return None if hashes[0] == hashes[1] else Difference("run", 0, "one_by_one", *hashes)


def run_plain(case: Case) -> Outcome:
    return simulate(case.strategies, case.bars, case.rates, case.rules)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(a == b)


def _key(table: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = {
        "signals": ("ts", "strategy", "instrument", "section"),
        "orders": ("submitted_ts", "strategy", "instrument", "role"),
        "fills": ("ts", "strategy", "instrument"),
        "trades": ("entry_ts", "strategy", "instrument", "exit_ts"),
        "equity": ("ts",),
    }[table]
    return tuple((row[name] is None, row[name] or 0) for name in names)


def judge(case: Case, simulate_case: Callable[[Case], Outcome] | None = None) -> Verdict:
    """Run a case both ways and compare. What the product says it can not do ends in Refused."""
    try:
        product = run_product(case)
    except AssertionError as error:
        return Verdict(Difference("run", 0, "assertion", "a result", str(error)))
    plain = (simulate_case or run_plain)(case)
    difference = compare(plain, product)
    if difference is None and case.seed % BOTH_DRIVERS_EVERY == 0:
        difference = _drivers(case, product)
    roles = Counter(row["role"] for row in plain.fills)
    reasons = Counter(row["reason"] for row in plain.orders if row["reason"])
    return Verdict(difference, is_doubtful=difference is not None and plain.doubts > 0, roles=roles, reasons=reasons)


def compare(plain: Outcome, product: Any) -> Difference | None:
    """The first difference in time over all tables, or of the metrics; None when all is equal."""
    found = []
    for table, columns in COLUMNS.items():
        own = sorted(getattr(plain, table), key=lambda row: _key(table, row))
        theirs = sorted(getattr(product, table).iter_rows(named=True), key=lambda row: _key(table, row))
        difference = _compare_rows(table, columns, own, theirs)
        if difference:
            found.append(difference)
    if found:
        return min(found, key=lambda pair: pair[0])[1]
    for name, value in plain.metrics.items():
        theirs = product.metrics[name]
        if not equal(value, theirs):
            return Difference("metrics", 0, name, value, theirs)
    return None


def _compare_rows(
    table: str, columns: Sequence[str], own: Sequence[Any], theirs: Sequence[Any]
) -> tuple[int, Difference] | None:
    time = columns[0]
    for at in range(max(len(own), len(theirs))):
        a = own[at] if at < len(own) else None
        b = theirs[at] if at < len(theirs) else None
        if a is None or b is None:
            there = a or b or {}
            return there[time], Difference(table, at, "row", _shown(a, columns), _shown(b, columns), (a, b))
        for column in columns:
            if table == "orders" and column == "reason" and a["state"] == b["state"] == "DENIED":
                if b["reason"] not in a["reasons"]:
                    return a[time], Difference(table, at, column, sorted(a["reasons"]), b["reason"], (a, b))
                continue
            if table == "orders" and column in ("qty", "price", "stop_price") and b["state"] == "DENIED":
                continue
            if column == "stop_price" and a["role"] == "trailing" and a["state"] == b["state"] == "CANCELED":
                continue  # nobody says how far a trail still followed the bar, or the open, in which it went
            if {a[column], b[column]} == FLAT or (column == "price" and a.get("reason") == "o1_timeout"):
                continue
            if not equal(a[column], b[column]):
                return min(a[time], b[time]), Difference(table, at, column, a[column], b[column], (a, b))
        if table == "signals" and a["reason"] != "o1_timeout":
            difference = _compare_conditions(at, a, b)
            if difference:
                return a[time], difference
    return None


def _compare_conditions(at: int, a: Mapping[str, Any], b: Mapping[str, Any]) -> Difference | None:
    theirs = [row for row in json.loads(b["conditions"]) if row["operator"] not in ("in", "between")]
    own = [row for row in a["conditions"] if row[1] not in ("in", "between")]
    verdicts = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}
    for (name, operator, value, other, verdict), row in zip(own, theirs, strict=False):
        mine = (name, operator, value, other, verdicts[verdict])
        product = tuple(row[key] for key in ("variant", "operator", "value", "threshold", "verdict"))
        if not all(equal(x, y) for x, y in zip(mine, product, strict=True)):
            return Difference("signals", at, "conditions", mine, product, (a, b))
    if len(own) != len(theirs) and a["event"] == "fired":
        return Difference("signals", at, "conditions", own, theirs, (a, b))
    return None


def _shown(row: Any, columns: Sequence[str]) -> Any:
    return None if row is None else {name: row[name] for name in columns}
