"""Makes a case that differs small: fewer strategies, keys and bars, as long as some difference is left."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from differential.strategies import Case

TRIES_MAX = 400


def shrink(case: Case, differs: Callable[[Case], bool]) -> Case:
    """The smallest case found that still differs."""
    tries = 0
    is_smaller = True
    while is_smaller and tries < TRIES_MAX:
        is_smaller = False
        for smaller in _smaller(case):
            tries += 1
            if tries >= TRIES_MAX:
                break
            if differs(smaller):
                case, is_smaller = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less, the largest things first."""
    for place in range(len(case.strategies)):
        if len(case.strategies) > 1:
            yield _used(replace(case, strategies=case.strategies[:place] + case.strategies[place + 1 :]))
    for place, own in enumerate(case.strategies):
        if len(own["instruments"]) > 1:
            for name in own["instruments"]:
                yield _used(_changed(case, place, ("instruments",), [o for o in own["instruments"] if o != name]))
    yield from _with_fewer_bars(case)
    if case.rates:
        yield replace(case, rates={})
    for name, rules in case.rules.items():
        for key in rules:
            yield replace(case, rules=case.rules | {name: {k: v for k, v in rules.items() if k != key}})
    for place, own in enumerate(case.strategies):
        for path in _paths(own):
            yield _changed(case, place, path, None)


def _with_fewer_bars(case: Case) -> Iterator[Case]:
    for share in (2, 4, 8, 1_000_000):
        for is_head in (False, True):
            cut = {}
            for name, rows in case.bars.items():
                count = max(1, len(rows) // share)
                kept = rows[count:] if is_head else rows[: len(rows) - count]
                cut[name] = kept or rows
            if cut != case.bars:
                yield replace(case, bars=cut)


def _paths(own: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key in ("confidence", "limits", "account", "costs"):
        if own.get(key):
            yield (key,)
    for key in ("limits", "costs"):
        for name in own.get(key) or {}:
            yield (key, name)
    for name in ("E1", "ZE1", "O1"):
        if name in own["sections"]:
            yield ("sections", name)
            for key in ("cooldown_min", "timeout_s"):
                if key in own["sections"][name]:
                    yield ("sections", name, key)
    for name in ("take_profit", "stop_loss"):
        if name in own["sections"]["Z1"]:
            yield ("sections", "Z1", name)
    for key in ("clamp", "scale"):
        if key in own["sections"]["Z1"]["size"]:
            yield ("sections", "Z1", "size", key)
    for key in ("ttl_s", "tif", "post_only", "offset_bps", "limit_offset_bps"):
        if key in own["sections"]["Z1"]["order"]:
            yield ("sections", "Z1", "order", key)
    used = repr(own["sections"]) + repr(own.get("confidence"))
    for name in own["variants"]:
        if name not in used:
            yield ("variants", name)


def _changed(case: Case, place: int, path: tuple[str, ...], value: Any) -> Case:
    """The case with one entry of one strategy set, or left out when the value is None."""
    strategies = copy.deepcopy(case.strategies)
    at: Any = strategies[place]
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return replace(case, strategies=strategies)


def _used(case: Case) -> Case:
    names = {name for own in case.strategies for name in own["instruments"]}
    return replace(
        case,
        bars={name: rows for name, rows in case.bars.items() if name in names},
        rates={name: rows for name, rows in case.rates.items() if name in names},
        rules={name: rows for name, rows in case.rules.items() if name in names},
    )
