"""``tightloop explain`` of a carry run: rules that acted or did not and why, legs, bundles, one instant.

The run is repeated and measured by the functions that the allocator decides with (``runtime/observe/carry.py``). Keys
are those of ``explain``, with ``carry`` instead of sections: ``rules``, ``decisions``, ``legs``, ``bundles``,
``waiting``.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tightloop.adapters.stores import parquet
from tightloop.app.analysis.rerun import (
    AGAIN,
    REMEDY,
    FinishedRun,
    catalog_of,
    check_data,
    check_state,
    read_result,
    settings_beside,
    window_options,
)
from tightloop.app.facts.carry_rules import Bundle, bundles_of, denials_of, rules_at, rules_of
from tightloop.app.facts.conditions import Facts
from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.text.numbers import known
from tightloop.app.text.window import time_of
from tightloop.core.domain.carry import LegState, Task
from tightloop.core.domain.enums import EventKind
from tightloop.core.replay.observe_carry import Seen
from tightloop.core.state import state_hash
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import CarryStrategy, Leg, Size
from tightloop.model.errors import InputError
from tightloop.runtime.feeds.carry import CarryFeed
from tightloop.runtime.observe.carry import CarryWatched, watch
from tightloop.runtime.results.carry.tables import label

LAST_SHOWN = 8
STAGES = {
    Task.ENTER: (
        "lend what is borrowed against", "move cash to exchanges", "trade spot and hedges", "move coins on chain",
        "lend, stake and loop", "record what is held",
    ),
    Task.REDUCE: (
        "unwind on chain", "move coins to exchanges", "close hedges and sell", "move cash to the wallet",
        "repay debt and release collateral",
        "record what is held",
    ),
}  # fmt: skip
"""Stages of a task, in order."""


@dataclass(frozen=True, slots=True)
class CarryAgain(FinishedRun):
    """A carry run that was read from its folder and repeated under observation to its end."""

    strategy: CarryStrategy
    feed: CarryFeed
    orders: pl.DataFrame
    whole: CarryWatched
    bundles: list[Bundle]

    def until(self, instants: int) -> CarryWatched:
        """Repeat the run up to a number of instants."""
        return watch(_plan(self.strategy, self.feed), self.feed, instants)


def _plan(strategy: CarryStrategy, feed: CarryFeed) -> CarryPlan:
    return make_carry_plan(strategy, [(key.kind, key.name) for key in feed.series])


def carry_again(folder: Path, data: Path | None) -> CarryAgain:
    """Read a carry run's folder and repeat it; InputError when files or data are not those of the run."""
    result = read_result(folder)
    inputs = result["inputs"]
    strategy = _strategy(folder, result)
    feed = load_carry_feed(strategy, catalog_of(folder, inputs, data), **window_options(inputs))
    check_data(folder, result, feed.data_hash)
    plan = _plan(strategy, feed)
    whole = watch(plan, feed, inputs["instants"] if inputs["is_part"] else None)
    check_state(folder, result, state_hash(plan.states, plan.arena))
    path = folder / "orders.parquet"
    if not path.is_file():
        raise InputError.one(folder, None, path.name, "is not in the folder", REMEDY)
    try:
        orders = parquet.read(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError.one(folder, None, path.name, f"cannot be read: {error}", REMEDY) from None
    return CarryAgain(folder, result, strategy, feed, orders, whole, bundles_of(whole))


def _strategy(folder: Path, result: Mapping[str, Any]) -> CarryStrategy:
    """Read the strategy with the run's options; InputError when its hash is not that of the run."""
    inputs = result["inputs"]
    paths = [folder / name for name in inputs["strategies"]]
    (strategy,) = runs_strategies.load_any(paths, settings=settings_beside(inputs))
    if not isinstance(strategy, CarryStrategy) or strategy.config_hash != result["config_hash"]:
        message = "the strategy in the folder, with the options of the run, is not the one that ran"
        raise InputError.one(folder, None, "", message, f"put the files back as the run wrote them, or {AGAIN}")
    return strategy


def explain_carry(
    folder: Path, *, data: Path | None, at: str | None, signal: str | None, order: str | None
) -> Facts:  # fmt: skip
    """Explain a carry run as ``explain`` does."""
    ts_ns = time_of(at, "--at")
    if signal is not None:
        message = "a carry run has rules and bands, not signals of sections"
        raise InputError.one("command line", None, "--signal", message, "ask for a time with --at, or with --order ID")
    run = carry_again(folder, data)
    whole = run.whole
    return {
        "run": run.facts(
            {
                "events": int(whole.plan.states[0]["seq"]),
                "instants": len(whole.seen),
                "from": int(run.feed.instants[0]),
                "to": int(run.feed.instants[len(whole.seen) - 1]),
            }
        ),
        "carry": {
            "rules": rules_of(whole, run.bundles),
            "decisions": dict(Counter(decision[0].band for decision in _decided(run.bundles))),
            "last_decisions": [_decision(decision, run.strategy) for decision in _decided(run.bundles)[-LAST_SHOWN:]],
            "denied": denials_of(whole),
            "legs": _legs(run),
            "bundles": _undone(run),
            "waiting": _waiting(whole),
        },
        "order": None if order is None else _order(run, order),
        "at": None if ts_ns is None else _at(run, ts_ns),
    }


def _decided(bundles: list[Bundle]) -> list[list[Bundle]]:
    """Group bundles by decision: the first one of a decision and those that continue it."""
    decisions: list[list[Bundle]] = []
    for bundle in bundles:
        if bundle.begins or not decisions:
            decisions.append([])
        decisions[-1].append(bundle)
    return decisions


def _decision(bundles: list[Bundle], strategy: CarryStrategy) -> Facts:
    """Return a decision as its first bundle, with the instructions of all its bundles."""
    facts = bundle_facts(bundles[0], strategy)
    ops: Counter[str] = Counter()
    undone = [bundle for bundle in bundles if bundle.outcome == "undone"]
    for bundle in bundles:
        if bundle.outcome != "undone" or bundle is undone[-1]:
            ops.update(bundle.ops)
    why = undone[-1].why if undone else None
    outcome = bundles[-1].outcome
    if undone:
        outcome += f" (tried {len(bundles):,} times, undone {len(undone):,} times)"
    legs = sorted({leg for bundle in bundles for leg in bundle.legs})
    return facts | {
        "instructions": dict(ops), "bundles": len(bundles), "legs": [strategy.legs[leg].name for leg in legs],
        "last_ts": bundles[-1].ts_ns, "outcome": outcome, "why": why,
    }  # fmt: skip


def bundle_facts(bundle: Bundle, strategy: CarryStrategy) -> Facts:
    """Return one bundle: its rule, instructions, legs and outcome."""
    return {
        "bundle": bundle.text, "ts": bundle.ts_ns, "rule": bundle.band, "value": known(bundle.value),
        "instructions": dict(bundle.ops),
        "legs": [strategy.legs[leg].name for leg in sorted(bundle.legs)],
        "outcome": bundle.outcome, "why": bundle.why,
    }  # fmt: skip


# Legs -----------------------------------------------------------------------------------------------------------------


def _size(size: Size | None) -> str | None:
    if size is None:
        return None
    if size.kind == "match":
        return f"match {size.leg}"
    return size.kind if size.value is None else f"{size.kind} {size.value:g}"


def _legs(run: CarryAgain) -> list[Facts]:
    """Return each leg: its size rule, when it was first entered, or why it was not."""
    state = run.whole.plan.states[0]["carry"]
    rows = []
    for number, leg in enumerate(run.strategy.legs):
        orders = run.orders.filter(pl.col("leg") == leg.name)
        filled = orders.filter((pl.col("state") == "FILLED") & (pl.col("role") != "gas"))
        undone = orders.filter(pl.col("state") == "CANCELED")
        entered = filled.row(0, named=True) if filled.height else None
        rows.append({
            "leg": leg.name, "kind": leg.kind, "size": _size(leg.size), "margin": _size(leg.margin),
            "state": LegState(int(state["legs"][number]["state"])).name,
            "entered_ts": None if entered is None else entered["submitted_ts"],
            "order_id": None if entered is None else entered["order_id"],
            "orders": orders.height, "undone": undone.height,
            "signal": _signals(run, number, leg),
            "why_not": None if entered is not None else _why_not_entered(run, number, leg, undone),
        })  # fmt: skip
    return rows


def _signals(run: CarryAgain, number: int, leg: Leg) -> Facts | None:
    """Count a leg's predictions, and those above its confidence; None for a leg without a provider."""
    if leg.signal is None:
        return None
    extras = run.whole.tape.extras
    predictions = extras[(extras["kind"] == int(EventKind.SIGNAL_RECEIVED)) & (extras["instance"] == number)]
    sufficient = (predictions["amount"] > leg.signal.confidence) | (predictions["qty"] == 0.0)
    return {
        "predictions": len(predictions), "heard": int(sufficient.sum()), "confidence": leg.signal.confidence,
        "highest_confidence": known(predictions["amount"].max()) if len(predictions) else None,
    }  # fmt: skip


def _why_not_entered(run: CarryAgain, at: int, leg: Leg, undone: pl.DataFrame) -> str:
    """State why a leg was never entered."""
    if undone.height:
        last = undone.row(-1, named=True)
        return f"every bundle that contained it was rolled back, the last one ({last['order_id']}): {last['reason']}"
    signal = _signals(run, at, leg)
    if signal is not None:
        if signal["predictions"] == 0:
            return "its provider sent no prediction during the run"
        if signal["heard"] == 0:
            highest = signal["highest_confidence"]
            return f"no prediction was above its confidence {leg.signal.confidence:g}; the highest was {highest:g}" if (
                leg.signal is not None) else ""  # fmt: skip
    entered = run.whole.column(Seen.HAS_ENTERED)
    if not (entered > 0.0).any() and not run.bundles:
        return "nothing was entered in the whole run"
    denied = denials_of(run.whole)
    if denied and not (entered > 0.0).any():
        return f"nothing may be added: {denied[0]['reason']}"
    source = f"leg {leg.source}" if leg.source is not None else "the wallet"
    return (
        f"its size ({_size(leg.size)}) was too small to trade: what {source} had left for it, after reserve and gas, "
        "was below the costs of the trade"
    )


# Bundles --------------------------------------------------------------------------------------------------------------


def _undone(run: CarryAgain) -> Facts:
    """Count bundles by outcome; of those rolled back, by rule and reason."""
    rows: dict[tuple[str, str], list[Bundle]] = {}
    for bundle in run.bundles:
        if bundle.outcome == "undone":
            rows.setdefault((bundle.band, bundle.why or ""), []).append(bundle)
    return {
        "sent": len(run.bundles),
        "done": sum(bundle.outcome == "done" for bundle in run.bundles),
        "undone": [
            {
                "rule": band, "why": why, "count": len(group), "first_ts": group[0].ts_ns, "last_ts": group[-1].ts_ns,
                "last_order_id": f"{group[-1].text}.1", "reason": group[-1].reason,
            }
            for (band, why), group in rows.items()
        ],
    }  # fmt: skip


def _waiting(watched: CarryWatched) -> Facts:
    """Return what is not finished: task and its stage, withdrawals, deposits, transfers in transit."""
    plan = watched.plan
    carry, venue = plan.states[0]["carry"], plan.venues[0]
    task = Task(int(carry["task"]))
    is_sent = carry["transit_count"] > 0 or carry["pending_count"] > 0
    stage = max(0, int(carry["stage"]) - int(is_sent))  # the stage in flight, else the next one
    steps = STAGES.get(task)
    transits = venue["transits"][: int(venue["transit_count"])]
    return {
        "task": task.name, "stage": None if steps is None else steps[min(stage, len(steps) - 1)],
        "payable": known(carry["payable"]), "deposited": known(carry["deposited"]),
        "on_the_way": [
            {
                "from": label(plan, int(transit["source"])), "to": label(plan, int(transit["target"])),
                "amount": known(transit["amount"]), "due_ts": int(transit["due_ns"]),
            }
            for transit in transits
        ],
    }  # fmt: skip


# One order, one instant -----------------------------------------------------------------------------------------------


def _order(run: CarryAgain, order_id: str) -> Facts:
    """Return an instruction with its bundle: the rule that asked for it, and why it was executed or not."""
    row = {
        name: known(value) if isinstance(value, float) else value
        for name, value in run.order(run.orders, order_id).items()
    }
    name = order_id.rpartition(".")[0]
    bundle = next(each for each in run.bundles if each.text == name)
    beside = run.orders.filter(pl.col("order_id").str.starts_with(f"{name}."))
    columns = "order_id", "role", "leg", "qty", "source", "target", "state"
    return row | {
        "bundle": bundle_facts(bundle, run.strategy),
        "beside": [
            {key: known(value) if isinstance(value, float) else value for key, value in each.items()}
            for each in beside.select(columns).iter_rows(named=True)
        ],
    }


def _at(run: CarryAgain, ts_ns: int) -> Facts:
    """Return the allocator at the last instant up to a time (ns UTC).

    What each rule measured before the decision, the first one that had something to do, and the holdings afterwards.
    InputError for a time outside of the run.
    """
    instants = run.feed.instants[: len(run.whole.seen)]
    run.check_time(ts_ns, int(instants[0]), int(instants[-1]))
    at = int(np.searchsorted(instants, ts_ns, "right")) - 1
    watched = run.until(at + 1)
    carry = watched.plan.states[0]["carry"]
    bundles = [bundle for bundle in bundles_of(watched) if bundle.ts_ns == int(instants[at])]
    rules, first = rules_at(watched, at, bundles)
    return {
        "ts": ts_ns, "instant_ts": int(instants[at]), "equity": known(carry["nav"]),
        "free_cash": known(watched.seen[at, int(Seen.FREE)]),
        "reserve": run.strategy.reserve * float(watched.seen[at, int(Seen.NAV)]),
        "rules": rules, "first": first,
        "done": [bundle_facts(bundle, run.strategy) for bundle in bundles],
        **_waiting(watched),
        "legs": [
            {"leg": leg.name, "state": LegState(int(carry["legs"][k]["state"])).name}
            for k, leg in enumerate(run.strategy.legs)
        ],
        "balances": _balances(watched),
        "perps": _perps(watched),
    }  # fmt: skip


def _balances(watched: CarryWatched) -> list[Facts]:
    """Return the balances that are not 0, with values in the share class."""
    amounts, values = watched.record.amounts[-1], watched.record.values[-1]
    return [
        {"balance": label(watched.plan, k), "amount": known(amounts[k]), "value": known(values[k])}
        for k in range(len(watched.plan.balances)) if amounts[k] != 0.0
    ]  # fmt: skip


def _perps(watched: CarryWatched) -> list[Facts]:
    """Return the open positions in perpetuals."""
    books = watched.plan.states[0]["carry"]["books"]
    return [
        {
            "instrument": str(instrument), "qty": known(holding["qty"]), "entry_price": known(holding["entry_price"]),
            "mark": known(holding["mark"]), "unrealized": known(holding["unrealized"]),
        }
        for instrument, holding in zip(watched.plan.holdings, books["holdings"], strict=False) if holding["qty"] != 0.0
    ]  # fmt: skip
