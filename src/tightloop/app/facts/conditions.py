"""Why sections fired and why not, as plain records: conditions with values and verdicts, distances, counts.

Everything is read from a run that was watched (``runtime.watching``); nothing is estimated. ``None`` is what can not be
known. Times are int64 nanoseconds UTC.
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
from tightloop.model.signal.conditions import Condition
from tightloop.model.signal.plan import Plan
from tightloop.runtime.observe.signal import Branch, Watched, tree_of, walk
from tightloop.runtime.results.build import VERDICTS

Facts = dict[str, Any]

WORDS = {
    Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<=", Op.EQ: "==", Op.NE: "!=", Op.BETWEEN: "between",
    Op.CROSSES_ABOVE: "crosses_above", Op.CROSSES_BELOW: "crosses_below", Op.ALL: "all of", Op.ANY: "any of",
    Op.NOT: "not", Op.HOLD: "hold", Op.SEQ: "seq",
}  # fmt: skip
UNITS = {Op.HOLD: "s", Op.SEQ: "parts"}
MORE = (1, 2, 5, 10, 20, 50)
"""How many more TRUE evaluations a moved threshold is looked for."""
NEAREST_SHOWN = 5
NAMED = 3
"""Alternatives of a choice that are named with it."""
GUARDS = (Reason.SLOTS_FULL, Reason.SYMBOL_LOCKED, Reason.KILL_SWITCH)


def text_of(branch: Branch, plan: Plan) -> str:
    """One node as people write it."""
    if branch.op is Op.HOLD:
        return f"hold for {plain(branch.span_ns / 1e9)} s"
    if branch.op is Op.SEQ:
        return f"one after another within {plain(branch.span_ns / 1e9)} s"
    if branch.op > Op.ALL or branch.op is Op.ALL:
        named = _one_of_numbers(branch, plan)
        return WORDS[branch.op] if named is None else named
    condition = plan.conditions[branch.at]
    shown = [own if isinstance(own, str) else plain(own) for own in condition.operands]
    if condition.operator == "in":
        shown = [plain(_operand_of_in(branch, condition, plan))]
    return f"{condition.variant} {WORDS[branch.op]} {' '.join(shown)}"


def _one_of_numbers(branch: Branch, plan: Plan) -> str | None:
    """``in`` is an any of one node for each of its numbers, and is written as people write it; None of other nodes."""
    own = [plan.conditions.get(part.at) for part in branch.parts]
    if branch.op is not Op.ANY or own[0] is None or own[0].operator != "in" or any(part is not own[0] for part in own):
        return None
    numbers = [str(plain(each)) for each in own[0].operands if isinstance(each, float)]
    rest = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED + 1 else ""
    return f"{own[0].variant} in {', '.join(numbers[:NAMED] if rest else numbers)}{rest}"


def _operand_of_in(branch: Branch, condition: Condition, plan: Plan) -> float:
    """``in`` is one node for each of its values, side by side."""
    first = branch.at
    while plan.conditions.get(first - 1) is condition:
        first -= 1
    value = condition.operands[branch.at - first]
    assert isinstance(value, float), "in takes numbers"
    return value


def _moment(row: Rows) -> Facts:
    found = {"ts": int(row["ts_ns"])} | {name: known(row[name]) for name in ("value", "threshold", "gap")}
    high = known(row["high"])
    return found if high is None else found | {"threshold": [found["threshold"], high]}


def instances_of(plan: Plan) -> Iterator[tuple[int, str, str]]:
    """The instances of a run: index, strategy, instrument."""
    state = plan.states[0]
    for at in range(int(state["instance_count"])):
        own = state["instances"][at]
        yield at, plan.strategies[int(own["strategy"])].read.name, str(plan.instruments[int(own["instrument"])])


def tree_at(watched: Watched, instance: int, section: int) -> list[Facts]:
    """A section's tree from above at the last evaluation: every node with its depth, verdict and values."""
    plan = watched.plan
    tree = tree_of(plan, int(plan.states[0]["instances"][instance]["strategy"]), section)
    found = []
    for branch, depth in walk(tree) if tree is not None else ():
        node = watched.node(instance, branch.at)
        own: Facts = {"text": text_of(branch, plan), "depth": depth, "verdict": VERDICTS[int(node["verdict"])]}
        if branch.op < Op.ALL:
            own |= {"operator": WORDS[branch.op]} | _moment(node["last"])
            own |= {"verdict_again": _verdict(branch.op, own)}
        found.append(own)
    return found


def _verdict(op: Op, own: Facts) -> str | None:
    """The verdict of a comparison from nothing but its numbers; None for a crossing, which needs the one before."""
    limit = own["threshold"]
    bounds = limit if isinstance(limit, list) else [limit]
    if own["value"] is None or None in bounds:
        return "UNKNOWN"
    value, low = own["value"], bounds[0]
    verdicts = {
        Op.GT: value > low, Op.GE: value >= low, Op.LT: value < low, Op.LE: value <= low, Op.EQ: value == low,
        Op.NE: value != low, Op.BETWEEN: low <= value <= bounds[-1],
    }  # fmt: skip
    return VERDICTS[int(verdicts[op])] if op in verdicts else None


# Why not -----------------------------------------------------------------------------------------------------------


def why_not(watched: Watched, fired: Mapping[tuple[str, str, str], int]) -> list[Facts]:
    """Every section of every instance: how often it was listened to and with which verdict, and what kept it back.

    ``fired``: firings by strategy, instrument and section.
    """
    found = []
    for at, strategy, instrument in instances_of(watched.plan):
        for section in Section:
            tree = tree_of(watched.plan, int(watched.plan.states[0]["instances"][at]["strategy"]), section)
            if tree is None:
                continue
            place = strategy, instrument, section.name
            own: Facts = {"strategy": strategy, "instrument": instrument, "section": section.name}
            own["fired"] = fired.get(place, 0)
            found.append(own | _section(watched, at, section, tree))
    return found


def _counts(row: Rows) -> Facts:
    return {name.lower(): int(row["counts"][k]) for k, name in enumerate(VERDICTS)}


def _section(watched: Watched, at: int, section: int, tree: Branch) -> Facts:
    own = watched.instances[at]["sections"][section]
    counts = _counts(own)
    conditions = [
        _condition(watched, at, branch) | {"depth": depth}
        for branch, depth in walk(tree)
        if branch.op < Op.ALL or branch.op in (Op.HOLD, Op.SEQ) or branch.is_choice
    ]
    return {
        "evaluations": sum(counts.values()),
        **counts,
        "last_true_ts": int(own["true_ns"]) or None,
        "one_short": int(own["alone"]),
        "blocked_most": _blocked_most(conditions),
        "conditions": conditions,
    }


def _blocked_most(conditions: list[Facts]) -> int | None:
    """The place of the condition that most often alone kept the section from TRUE, else of the least often right.

    An alternative blocks nothing: another would do as well. The choice as a whole does.
    """
    blocking = [k for k, own in enumerate(conditions) if own["not_as_needed"] > 0 and not own["is_alternative"]]
    if not blocking:
        return None
    return max(blocking, key=lambda k: (conditions[k]["alone"], conditions[k]["not_as_needed"], -k))


def alternatives_of(conditions: Sequence[Facts], at: int) -> list[Facts]:
    """What stands below a choice, of the conditions of a section."""
    found = []
    for own in conditions[at + 1 :]:
        if own["depth"] <= conditions[at]["depth"]:
            break
        found.append(own)
    return found


def named_of(conditions: Sequence[Facts], at: int) -> str:
    """A condition as people write it; a choice with what it chooses from."""
    own = conditions[at]
    parts = [part["text"] for part in alternatives_of(conditions, at)] if own["is_choice"] else []
    if not parts or " in " in own["text"]:
        return str(own["text"])
    rest = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return f"{own['text']} ({'; '.join(parts[:NAMED])}{rest})"


def _condition(watched: Watched, at: int, branch: Branch) -> Facts:
    plan, node = watched.plan, watched.node(at, branch.at)
    counts = _counts(node)
    near = watched.nearest(at, branch.at)
    own: Facts = {
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
    if own["not_moved"] is None:
        own["moved"] = _moved(branch, plan, near, own["enough"] - own["alone_unknown"])
    return own


def _not_moved(branch: Branch) -> str | None:
    """Why nobody counts what another threshold would have done; None where it is counted."""
    if branch.is_choice:
        return "a choice: it has no threshold of its own, its alternatives have"
    if branch.below is not None:
        name = WORDS[branch.below]
        return f"below a {name}: another threshold changes what the {name} remembers of the evaluations before"
    if branch.op in (Op.CROSSES_ABOVE, Op.CROSSES_BELOW):
        return "a crossing: another threshold changes what it compares with at the evaluation before"
    if branch.op is Op.SEQ:
        return "a seq: another gap changes which parts count as come"
    if branch.op in (Op.EQ, Op.NE):
        return "equal or not: no threshold is nearer than another"
    if not branch.needed and branch.op is Op.BETWEEN:
        return "a range that is to be left: it has two ends to move"
    return None


def _path(branch: Branch, plan: Plan) -> str | None:
    """Where the number stands in the file, for ``--set``; of a hold the seconds. None of a seq and below one."""
    if branch.op < Op.ALL:
        return dotted(plan.conditions[branch.at].path)
    if branch.op is not Op.HOLD or branch.below is not None:
        return None
    leaf = next(part for part, _ in walk(branch) if part.op < Op.ALL)
    own = plan.conditions[leaf.at].path
    return dotted((*own[: own.index("hold") + 1], 1))


def _moved(branch: Branch, plan: Plan, near: Rows, total: int) -> list[Facts]:
    """How far the threshold would have to be moved for n more evaluations of the section to be TRUE.

    At each of these times the tree was evaluated with this node turned and came out TRUE. Moving the threshold by a gap
    turns exactly those whose gap is not larger, and no verdict of any other evaluation to FALSE. Since when a hold has
    held does not depend on how long it should.
    """
    condition = plan.conditions[branch.at] if branch.op < Op.ALL else None
    found: list[Facts] = []
    gaps = near["gap"]
    for wanted in (*MORE, total):
        if not 0 < wanted <= len(near) or (found and wanted <= found[-1]["more"]):
            continue
        by = float(gaps[wanted - 1])
        more = int(np.searchsorted(gaps, by, "right"))
        if more == len(near) < total:
            break  # others that are not kept may be as near
        step: Facts = {"more": more, "by": by, "to": None, "is_beyond": _is_beyond(branch), "setting": None}
        if condition is None:
            step["to"] = _new_threshold(branch, near[:more])
            to = step["to"] + 1e-9 if step["is_beyond"] else step["to"]  # a time to hold is whole nanoseconds
            step["setting"] = f"{_path(branch, plan)}={to!r}"
        elif all(isinstance(own, float) for own in condition.operands):
            step["to"] = _new_threshold(branch, near[:more])
            step["setting"] = _setting(branch, condition, step)
        found.append(step)
    return found


def _is_beyond(branch: Branch) -> bool:
    """Whether the threshold has to pass the value, not only to reach it."""
    if branch.op is Op.HOLD:
        return not branch.needed
    return branch.op in ((Op.GT, Op.LT) if branch.needed else (Op.GE, Op.LE))


def _new_threshold(branch: Branch, near: Rows) -> float | list[float]:
    values = near["value"]
    if branch.op is Op.BETWEEN:
        return [float(min(near["threshold"][0], values.min())), float(max(near["high"][0], values.max()))]
    return float(values.max() if _rises(branch) else values.min())


def _rises(branch: Branch) -> bool:
    """Whether a higher threshold gives the verdict that is needed more often."""
    return (branch.op in (Op.LT, Op.LE)) == branch.needed  # held for at least so long: as >=


def _setting(branch: Branch, condition: Condition, step: Facts) -> str:
    """The option that makes the change; a threshold that must be passed is the next number beyond the value."""
    to = step["to"]
    if isinstance(to, list):
        return f"{dotted(condition.path)}={condition.operator} {to[0]!r} {to[1]!r}"
    if step["is_beyond"]:
        to = math.nextafter(to, math.inf if _rises(branch) else -math.inf)
    return f"{dotted(condition.path)}={condition.operator} {to!r}"


def suppressed(watched: Watched) -> list[Facts]:
    """Evaluations at which S1 was TRUE and a guard or a cooldown held it, for each instance."""
    found = []
    for at, strategy, instrument in instances_of(watched.plan):
        own = watched.instances[at]
        cooling = int(own["in_state"][InstanceState.SIGNAL_CANCELLED] + own["in_state"][InstanceState.EXITED])
        counts = {reason.name.lower(): int(own["suppressed"][reason]) for reason in GUARDS}
        counts |= {"cooldown": int(own["cooling_true"])}
        found.append(
            {"strategy": strategy, "instrument": instrument, **counts, "evaluations_in_cooldown": cooling}
        )  # fmt: skip
    return found


def states_at(watched: Watched) -> list[Facts]:
    """Every instance at the time at which the run was stopped, with what its last evaluation saw."""
    state = watched.plan.states[0]
    found = []
    for at, strategy, instrument in instances_of(watched.plan):
        own, seen = state["instances"][at], watched.instances[at]
        position = state["positions"][at]
        left_ns = int(own["cooldown_until_ns"]) - int(state["ts_ns"])
        rests = InstanceState(int(own["state"])) in (InstanceState.SIGNAL_CANCELLED, InstanceState.EXITED)
        found.append({
            "strategy": strategy,
            "instrument": instrument,
            "state": InstanceState(int(own["state"])).name,
            "since_ts": int(own["state_since_ns"]) or None,
            "evaluated_ts": int(seen["ts_ns"]) or None,
            "state_at_evaluation": InstanceState(int(seen["state"])).name if seen["ts_ns"] else None,
            "cooldown_left_s": max(left_ns, 0) / 1e9 if rests else 0.0,
            "mark": known(state["instruments"][int(own["instrument"])]["mark"]),
            "values": _values(watched, at),
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
                if seen["ts_ns"] and (tree := tree_at(watched, at, section))
            ],
        })  # fmt: skip
    return found


def _values(watched: Watched, at: int) -> dict[str, float | None]:
    """What every variant of the strategy is."""
    state = watched.plan.states[0]
    own = state["instances"][at]
    names = watched.plan.strategies[int(own["strategy"])].variants
    base = int(own["value_base"])
    return {name: known(watched.plan.arena[state["value_slots"][base + k]]) for k, name in enumerate(names)}
