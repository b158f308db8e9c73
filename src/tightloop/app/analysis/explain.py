"""``tightloop explain``: what a finished run did and did not do, and why, as one record that is also its JSON.

run         identity of the run, and that repeating it ended in the same state
why         sections that fired: counts, and the last signals by their ids
why_not     every section that was evaluated, and what kept it from TRUE (``facts/conditions.py``)
suppressed  S1 TRUE while slots, locks, the kill switch or a cooldown blocked it
denied      entries by the reason of their denial
python      strategies in Python: callbacks, requests and the engine's replies (``facts/python.py``)
signal, order, at    what was asked for, else null
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from tightloop.app import analysis
from tightloop.app.analysis.orders import explain_order
from tightloop.app.analysis.report_again_carry import is_carry_run
from tightloop.app.analysis.rerun import Again, run_again
from tightloop.app.facts import conditions as why
from tightloop.app.facts.conditions import Facts
from tightloop.app.facts.python import call_facts, python_facts
from tightloop.app.runs.files import unwritable
from tightloop.app.text.window import time_of
from tightloop.core.domain.enums import Section
from tightloop.model.errors import InputError

SIGNALS_SHOWN = 5
ENDED = ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED")


def explain(
    folder: Path | str, *, data: Path | str | None = None, at: str | None = None, signal: str | None = None,
    order: str | None = None,
) -> Facts:  # fmt: skip
    """Repeat a finished run under observation and explain it: in general, or at a time, a signal or an order.

    Raises InputError when the folder is not of a run, its data changed, or it has no such signal, order or time.
    """
    if is_carry_run(Path(folder)):
        catalog = None if data is None else Path(data)
        return analysis.explain_carry.explain_carry(Path(folder), data=catalog, at=at, signal=signal, order=order)
    ts_ns = time_of(at, "--at")
    run = run_again(Path(folder), None if data is None else Path(data), order)
    fired = fired_of(run.frames["signals"])
    return {
        "run": run.facts({"events": run.whole.events}),
        "why": _why(run.frames["signals"]),
        "why_not": why.why_not(run.whole, fired),
        "suppressed": why.suppressed(run.whole),
        "denied": _denied(run.frames["orders"]),
        "python": python_facts(run.whole, run.frames["fills"]),
        "signal": None if signal is None else _signal(run, signal),
        "order": None if order is None else explain_order(run, order),
        "at": None if ts_ns is None else _at(run, ts_ns),
    }


def write_json(facts: Facts, path: Path) -> None:
    """Write the record to a file; the same run gives the same bytes."""
    try:
        path.write_text(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from None


def fired_of(signals: pl.DataFrame) -> Counter[tuple[str, str, str]]:
    """Count how often each section fired, by strategy, instrument and section."""
    fired = signals.filter(pl.col("event") == "fired")
    return Counter(fired.select("strategy", "instrument", "section").rows())


def _why(signals: pl.DataFrame) -> Facts:
    fired = signals.filter(pl.col("event") == "fired")
    counts = Counter(fired["section"].to_list())
    last = fired.filter(pl.col("section") == "S1").tail(SIGNALS_SHOWN)
    return {
        "fired": {section.name: counts[section.name] for section in Section},
        "last_signals": last.select("signal_id", "ts", "strategy", "instrument").to_dicts(),
    }


def _denied(orders: pl.DataFrame) -> list[Facts]:
    """List denials by strategy, instrument and reason, with the last order of each."""
    denied = orders.filter(pl.col("state") == "DENIED")
    grouped = denied.group_by("strategy", "instrument", "reason", maintain_order=True)
    return grouped.agg(pl.len().alias("count"), pl.col("order_id").last().alias("last_order_id")).to_dicts()


def _signal(run: Again, signal_id: str) -> Facts:
    """Return the sections that fired for a signal, its orders and its trades."""
    signals = run.frames["signals"].filter(pl.col("signal_id") == signal_id)
    if signals.is_empty():
        some = run.frames["signals"]["signal_id"].drop_nulls().unique(maintain_order=True).tail(3).to_list()
        remedy = f"take one of signals.parquet, for example {', '.join(some)}" if some else "no section fired in it"
        raise InputError.one(run.folder, None, "--signal", f"the run has no signal {signal_id!r}", remedy)
    trades = run.frames["trades"].filter(pl.col("signal_id") == signal_id)
    orders = run.frames["orders"].filter(pl.col("signal_id") == signal_id)
    first = signals.row(0, named=True)
    return {
        "signal_id": signal_id,
        "strategy": first["strategy"],
        "instrument": first["instrument"],
        "sections": [_fired(run, row) for row in signals.iter_rows(named=True)],
        "orders": orders.select("order_id", "role", "type", "state", "reason", "submitted_ts").to_dicts(),
        "trades": trades.select("trade_id", "side", "entry_ts", "entry_price", "exit_ts", "exit_price", "pnl",
                                "exit_reason").to_dicts(),
    }  # fmt: skip


def _fired(run: Again, row: dict[str, Any]) -> Facts:
    """Return one firing, with its conditions as stored and as evaluated again.

    ``is_equal``: values, thresholds and verdicts of the repeated run are those that are stored.
    """
    watched = run.at(row["ts"])
    names = row["strategy"], row["instrument"]
    instance = next(instance for instance, *names_of in why.instances_of(watched.plan) if tuple(names_of) == names)
    tree = why.tree_at(watched, instance, Section[row["section"]])
    stored = json.loads(row["conditions"] or "[]")
    again = sorted((node for node in tree if "value" in node), key=lambda node: node["text"])
    kept = sorted((node["value"], node["threshold"], node["verdict"]) for node in stored if node["value"] is not None)
    seen = sorted((node["value"], node["threshold"], node["verdict"]) for node in again if node["value"] is not None)
    return {
        "section": row["section"], "ts": row["ts"], "event": row["event"], "reason": row["reason"],
        "price": row["price"], "conditions": stored, "tree": tree, "is_equal": kept == seen,
    }  # fmt: skip


def _at(run: Again, ts_ns: int) -> Facts:
    """Return equity, instances and open orders at a time (ns UTC); InputError for a time outside of the run."""
    begin, end = time_of(run.result["from"], "from"), time_of(run.result["to"], "to")
    assert begin is not None, "a whole run has a beginning"
    assert end is not None, "a whole run has an end"
    run.check_time(ts_ns, begin, end)
    watched = run.at(ts_ns)
    orders = run.frames["orders"].filter(
        (pl.col("submitted_ts") <= ts_ns) & ((pl.col("updated_ts") > ts_ns) | ~pl.col("state").is_in(ENDED))
        & (pl.col("state") != "DENIED")
    )  # fmt: skip
    columns = "order_id", "instrument", "role", "type", "side", "qty", "price", "stop_price", "submitted_ts"
    return {
        "ts": ts_ns,
        "equity": float(watched.plan.states[0]["equity"]),
        "instances": [
            instance | {"last_call": call_facts(watched.listener, instance["strategy"], instance["instrument"])}
            for instance in why.states_at(watched)
        ],
        "open_orders": [
            {name: None if value != value else value for name, value in row.items()}
            for row in orders.select(columns).iter_rows(named=True)
        ],
    }  # fmt: skip
