"""Why sections fired and why not, as plain records: conditions with values and verdicts, distances, counts.

Everything is read from a run that was observed (``runtime/observe``); nothing is estimated. ``None`` means unknown.
Times are int64 nanoseconds UTC.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tightloop.app.text.numbers import known
from tightloop.core.domain.enums import InstanceState, Op, Reason, Section
from tightloop.core.domain.types import Rows
from tightloop.model.files.diagnostics import dotted
from tightloop.model.files.fields import plain
from tightloop.model.signal.branches import Branch, tree_of, walk
from tightloop.model.signal.conditions import Condition
from tightloop.model.signal.plan import Plan
from tightloop.runtime.observe.signal import Watched
from tightloop.runtime.results.reasons import VERDICTS

Facts = dict[str, Any]

WORDS = {
    Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<=", Op.EQ: "==", Op.NE: "!=", Op.BETWEEN: "between",
    Op.CROSSES_ABOVE: "crosses_above", Op.CROSSES_BELOW: "crosses_below", Op.ALL: "all of", Op.ANY: "any of",
    Op.NOT: "not", Op.HOLD: "hold", Op.SEQ: "seq",
}  # fmt: skip
UNITS = {Op.HOLD: "s", Op.SEQ: "parts"}
MORE = (1, 2, 5, 10, 20, 50)
"""Numbers of additional TRUE evaluations for which the necessary threshold is stated."""
NEAREST_SHOWN = 5
NAMED = 3
"""Alternatives of a choice that its text lists."""
GUARDS = (Reason.SLOTS_FULL, Reason.SYMBOL_LOCKED, Reason.KILL_SWITCH)


def text_of(branch: Branch, plan: Plan) -> str:
    """Write one node of a rule tree as the strategy file has it."""
    if branch.op is Op.HOLD:
        return f"hold for {plain(branch.span_ns / 1e9)} s"
    if branch.op is Op.SEQ:
        return f"one after another within {plain(branch.span_ns / 1e9)} s"
    if branch.op > Op.ALL or branch.op is Op.ALL:
        named = _one_of_numbers(branch, plan)
        return WORDS[branch.op] if named is None else named
    condition = plan.conditions[branch.at]
    shown = [operand if isinstance(operand, str) else plain(operand) for operand in condition.operands]
    if condition.operator == "in":
        shown = [plain(_operand_of_in(branch, condition, plan))]
    return f"{condition.variant} {WORDS[branch.op]} {' '.join(shown)}"


def _one_of_numbers(branch: Branch, plan: Plan) -> str | None:
    """Write an ``in``: an ANY with a node for each of its numbers; None for any other node."""
    conditions = [plan.conditions.get(part.at) for part in branch.parts]
    if (
        branch.op is not Op.ANY
        or conditions[0] is None
        or conditions[0].operator != "in"
        or any(part is not conditions[0] for part in conditions)
    ):
        return None
    numbers = [str(plain(each)) for each in conditions[0].operands if isinstance(each, float)]
    rest = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED + 1 else ""
    return f"{conditions[0].variant} in {', '.join(numbers[:NAMED] if rest else numbers)}{rest}"


def _operand_of_in(branch: Branch, condition: Condition, plan: Plan) -> float:
    """Return the number of one node of an ``in``, whose nodes are adjacent and in the order of the numbers."""
    first = branch.at
    while plan.conditions.get(first - 1) is condition:
        first -= 1
    value = condition.operands[branch.at - first]
    assert isinstance(value, float), "in takes numbers"
    return value


def _moment(row: Rows) -> Facts:
    """Return time, value, threshold and gap of one evaluation; a range has two thresholds."""
    moment = {"ts": int(row["ts_ns"])} | {name: known(row[name]) for name in ("value", "threshold", "gap")}
    high = known(row["high"])
    return moment if high is None else moment | {"threshold": [moment["threshold"], high]}


def instances_of(plan: Plan) -> Iterator[tuple[int, str, str]]:
    """Yield the instances of a run: index, strategy, instrument."""
    state = plan.states[0]
    for number in range(int(state["instance_count"])):
        row = state["instances"][number]
        yield number, plan.strategies[int(row["strategy"])].read.name, str(plan.instruments[int(row["instrument"])])


def tree_at(watched: Watched, instance: int, section: int) -> list[Facts]:
    """Return a section's tree at the last evaluation, from the root: every node with its depth, verdict and values."""
    plan = watched.plan
    tree = tree_of(plan, int(plan.states[0]["instances"][instance]["strategy"]), section)
    nodes = []
    for branch, depth in walk(tree) if tree is not None else ():
        node = watched.node(instance, branch.at)
        facts: Facts = {"text": text_of(branch, plan), "depth": depth, "verdict": VERDICTS[int(node["verdict"])]}
        if branch.op < Op.ALL:
            facts |= {"operator": WORDS[branch.op]} | _moment(node["last"])
            facts |= {"verdict_again": _verdict(branch.op, facts)}
        nodes.append(facts)
    return nodes


def _verdict(op: Op, facts: Facts) -> str | None:
    """Compute a comparison's verdict from its numbers alone; None for a crossing, which needs the evaluation before."""
    limit = facts["threshold"]
    bounds = limit if isinstance(limit, list) else [limit]
    if facts["value"] is None or None in bounds:
        return "UNKNOWN"
    value, low = facts["value"], bounds[0]
    verdicts = {
        Op.GT: value > low, Op.GE: value >= low, Op.LT: value < low, Op.LE: value <= low, Op.EQ: value == low,
        Op.NE: value != low, Op.BETWEEN: low <= value <= bounds[-1],
    }  # fmt: skip
    return VERDICTS[int(verdicts[op])] if op in verdicts else None


# Why not -----------------------------------------------------------------------------------------------------------


def why_not(watched: Watched, fired: Mapping[tuple[str, str, str], int]) -> list[Facts]:
    """Return every section of every instance: how often it was evaluated, with which verdict, what kept it from TRUE.

    ``fired``: firings by strategy, instrument and section.
    """
    sections = []
    for number, strategy, instrument in instances_of(watched.plan):
        for section in Section:
            tree = tree_of(watched.plan, int(watched.plan.states[0]["instances"][number]["strategy"]), section)
            if tree is None:
                continue
            place = strategy, instrument, section.name
            facts: Facts = {"strategy": strategy, "instrument": instrument, "section": section.name}
            facts["fired"] = fired.get(place, 0)
            sections.append(facts | _section(watched, number, section, tree))
    return sections


def _counts(row: Rows) -> Facts:
    return {name.lower(): int(row["counts"][k]) for k, name in enumerate(VERDICTS)}


def _section(watched: Watched, instance: int, section: int, tree: Branch) -> Facts:
    """Return one section's counts of verdicts and its conditions."""
    seen = watched.instances[instance]["sections"][section]
    counts = _counts(seen)
    conditions = [
        _condition(watched, instance, branch) | {"depth": depth}
        for branch, depth in walk(tree)
        if branch.op < Op.ALL or branch.op in (Op.HOLD, Op.SEQ) or branch.is_choice
    ]
    return {
        "evaluations": sum(counts.values()),
        **counts,
        "last_true_ts": int(seen["true_ns"]) or None,
        "one_short": int(seen["alone"]),
        "blocked_most": _blocked_most(conditions),
        "conditions": conditions,
    }


def _blocked_most(conditions: list[Facts]) -> int | None:
    """Return the index of the condition that most often alone kept the section from TRUE, else was most often unmet.

    An alternative blocks nothing: another would do as well. The choice as a whole does. None when nothing blocked.
    """
    blocking = [
        k
        for k, condition in enumerate(conditions)
        if condition["not_as_needed"] > 0 and not condition["is_alternative"]
    ]
    if not blocking:
        return None
    return max(blocking, key=lambda k: (conditions[k]["alone"], conditions[k]["not_as_needed"], -k))


def alternatives_of(conditions: Sequence[Facts], index: int) -> list[Facts]:
    """Return the conditions below a choice, of those of a section."""
    alternatives = []
    for condition in conditions[index + 1 :]:
        if condition["depth"] <= conditions[index]["depth"]:
            break
        alternatives.append(condition)
    return alternatives


def named_of(conditions: Sequence[Facts], index: int) -> str:
    """Write a condition as the strategy file has it; a choice with its alternatives."""
    choice = conditions[index]
    parts = [part["text"] for part in alternatives_of(conditions, index)] if choice["is_choice"] else []
    if not parts or " in " in choice["text"]:
        return str(choice["text"])
    rest = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return f"{choice['text']} ({'; '.join(parts[:NAMED])}{rest})"


def _condition(watched: Watched, instance: int, branch: Branch) -> Facts:
    """Return one condition of a section, counted over all evaluations.

    ``alone``: it alone kept the section from TRUE. ``nearest``: the evaluation nearest to the other verdict. ``moved``:
    what another threshold would have changed.
    """
    plan, node = watched.plan, watched.node(instance, branch.at)
    counts = _counts(node)
    near = watched.nearest(instance, branch.at)
    facts: Facts = {
        "text": text_of(branch, plan),
        "path": _path(branch, plan),
        "unit": UNITS.get(branch.op),
        "needed": "TRUE" if branch.needed else "FALSE",
        **counts,
        "not_as_needed": sum(counts.values()) - counts["true" if branch.needed else "false"],
        "nearest": _moment(node["nearest"]) if node["has_nearest"] else None,
        "is_choice": branch.is_choice,
        "is_alternative": branch.is_alternative,
        "alone": 0 if branch.is_alternative else int(node["alone"]),
        "enough": int(node["alone"]),
        "alone_unknown": int(node["alone_unknown"]),
        "alone_nearest": [_moment(row) for row in near[:NEAREST_SHOWN]],
        "moved": [],
        "not_moved": _not_moved(branch),
    }
    if facts["not_moved"] is None:
        facts["moved"] = _moved(branch, plan, near, facts["enough"] - facts["alone_unknown"])
    return facts


def _not_moved(branch: Branch) -> str | None:
    """State why the effect of another threshold is not counted; None where it is."""
    if branch.is_choice:
        return "a choice: it has no threshold of its own, its alternatives have"
    if branch.below is not None:
        name = WORDS[branch.below]
        return f"inside a {name}: another threshold changes what the {name} remembers of earlier evaluations"
    if branch.op in (Op.CROSSES_ABOVE, Op.CROSSES_BELOW):
        return "a crossing: another threshold changes what it compares with at the previous evaluation"
    if branch.op is Op.SEQ:
        return "a seq: another gap changes which parts count as reached"
    if branch.op in (Op.EQ, Op.NE):
        return "an equality: no threshold is nearer than another"
    if not branch.needed and branch.op is Op.BETWEEN:
        return "a range that must be left: it has two ends to move"
    return None


def _path(branch: Branch, plan: Plan) -> str | None:
    """Return the key of the threshold, for ``--set`` (the seconds of a hold); None for a seq and below one."""
    if branch.op < Op.ALL:
        return dotted(plan.conditions[branch.at].path)
    if branch.op is not Op.HOLD or branch.below is not None:
        return None
    leaf = next(part for part, _ in walk(branch) if part.op < Op.ALL)
    path = plan.conditions[leaf.at].path
    return dotted((*path[: path.index("hold") + 1], 1))


def _moved(branch: Branch, plan: Plan, near: Rows, total: int) -> list[Facts]:
    """Return how far the threshold would have to move for n more evaluations of the section to be TRUE.

    At each of these times the tree was evaluated with this node inverted and was TRUE. Moving the threshold by a gap
    inverts exactly the evaluations whose gap is not larger, and turns no other one to FALSE. The time since when a
    hold's condition is TRUE does not depend on how long it has to be.
    """
    condition = plan.conditions[branch.at] if branch.op < Op.ALL else None
    steps: list[Facts] = []
    gaps = near["gap"]
    for wanted in (*MORE, total):
        if not 0 < wanted <= len(near) or (steps and wanted <= steps[-1]["more"]):
            continue
        by = float(gaps[wanted - 1])
        more = int(np.searchsorted(gaps, by, "right"))
        if more == len(near) < total:
            break  # only the nearest were kept: evaluations beyond them may be as near
        step: Facts = {"more": more, "by": by, "to": None, "is_beyond": _is_beyond(branch), "setting": None}
        if condition is None:
            step["to"] = _new_threshold(branch, near[:more])
            to = step["to"] + 1e-9 if step["is_beyond"] else step["to"]  # hold times are whole nanoseconds
            step["setting"] = f"{_path(branch, plan)}={to!r}"
        elif all(isinstance(operand, float) for operand in condition.operands):
            step["to"] = _new_threshold(branch, near[:more])
            step["setting"] = _setting(branch, condition, step)
        steps.append(step)
    return steps


def _is_beyond(branch: Branch) -> bool:
    """Check whether the threshold must pass the value, not only reach it."""
    if branch.op is Op.HOLD:
        return not branch.needed
    return branch.op in ((Op.GT, Op.LT) if branch.needed else (Op.GE, Op.LE))


def _new_threshold(branch: Branch, near: Rows) -> float | list[float]:
    values = near["value"]
    if branch.op is Op.BETWEEN:
        return [float(min(near["threshold"][0], values.min())), float(max(near["high"][0], values.max()))]
    return float(values.max() if _rises(branch) else values.min())


def _rises(branch: Branch) -> bool:
    """Check whether a higher threshold gives the needed verdict more often."""
    return (branch.op in (Op.LT, Op.LE)) == branch.needed  # a hold compares as >=: held for at least that long


def _setting(branch: Branch, condition: Condition, step: Facts) -> str:
    """Write the ``--set`` option of the change; a threshold that must be passed is the next float beyond the value."""
    to = step["to"]
    if isinstance(to, list):
        return f"{dotted(condition.path)}={condition.operator} {to[0]!r} {to[1]!r}"
    if step["is_beyond"]:
        to = math.nextafter(to, math.inf if _rises(branch) else -math.inf)
    return f"{dotted(condition.path)}={condition.operator} {to!r}"


def suppressed(watched: Watched) -> list[Facts]:
    """Count for each instance the evaluations at which S1 was TRUE while a guard or a cooldown blocked it."""
    rows = []
    for number, strategy, instrument in instances_of(watched.plan):
        seen = watched.instances[number]
        cooling = int(seen["in_state"][InstanceState.SIGNAL_CANCELLED] + seen["in_state"][InstanceState.EXITED])
        counts = {reason.name.lower(): int(seen["suppressed"][reason]) for reason in GUARDS}
        counts |= {"cooldown": int(seen["cooling_true"])}
        rows.append(
            {"strategy": strategy, "instrument": instrument, **counts, "evaluations_in_cooldown": cooling}
        )  # fmt: skip
    return rows


def states_at(watched: Watched) -> list[Facts]:
    """Return every instance at the time up to which the run was repeated, with the values of its last evaluation."""
    state = watched.plan.states[0]
    rows = []
    for number, strategy, instrument in instances_of(watched.plan):
        instance, seen = state["instances"][number], watched.instances[number]
        position = state["positions"][number]
        left_ns = int(instance["cooldown_until_ns"]) - int(state["ts_ns"])
        rests = InstanceState(int(instance["state"])) in (InstanceState.SIGNAL_CANCELLED, InstanceState.EXITED)
        rows.append({
            "strategy": strategy,
            "instrument": instrument,
            "state": InstanceState(int(instance["state"])).name,
            "since_ts": int(instance["state_since_ns"]) or None,
            "evaluated_ts": int(seen["ts_ns"]) or None,
            "state_at_evaluation": InstanceState(int(seen["state"])).name if seen["ts_ns"] else None,
            "cooldown_left_s": max(left_ns, 0) / 1e9 if rests else 0.0,
            "mark": known(state["instruments"][int(instance["instrument"])]["mark"]),
            "values": _values(watched, number),
            "position": None if position["qty"] == 0.0 else {
                "qty": float(position["qty"]), "entry_price": known(position["entry_price"]),
                "unrealized": known(position["unrealized"]), "margin": known(position["margin"]),
                "liquidation_price": known(position["liquidation_price"]), "opened_ts": int(position["opened_ns"]),
            },
            "sections": [
                {
                    "section": section.name,
                    "is_listened_to": bool(seen["sections"][section]["is_listened"]),
                    "verdict": VERDICTS[int(seen["sections"][section]["verdict"])],
                    "tree": tree,
                }
                for section in Section
                if seen["ts_ns"] and (tree := tree_at(watched, number, section))
            ],
        })  # fmt: skip
    return rows


def _values(watched: Watched, instance: int) -> dict[str, float | None]:
    """Return the present value of each variant of the instance's strategy; None where UNKNOWN."""
    state = watched.plan.states[0]
    row = state["instances"][instance]
    names = watched.plan.strategies[int(row["strategy"])].variants
    base = int(row["value_base"])
    return {name: known(watched.plan.arena[state["value_slots"][base + k]]) for k, name in enumerate(names)}
