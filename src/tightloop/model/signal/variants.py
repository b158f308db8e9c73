"""Variants: named indicators of a strategy file, with type, parameters, output and timeframe."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tightloop.core import indicators
from tightloop.core.indicators.contract import Choice, Number
from tightloop.model.files.diagnostics import Path, near, value_at
from tightloop.model.files.fields import plain, shown
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.conditions import OPERATORS, TREE_KEYS

Refuse = Callable[[Path, str, str], None]
"""Reports a fault: path, what is wrong, what to write instead."""

OWN_KEYS = ("type", "output", "timeframe")
RESERVED = (*TREE_KEYS, *(word for word in OPERATORS if word.isidentifier()), "and", "nan", "inf", "infinity")

_NAME = re.compile(r"[^\W\d][\w-]{0,99}\Z")


@dataclass(frozen=True, slots=True)
class Variant:
    """A named indicator.

    ``values``: its parameters as the core stores them (words as their index). ``output``: the output that is read.
    ``timeframe``: None for the run's.
    """

    name: str
    type: str
    values: Mapping[str, float]
    output: str
    timeframe: str | None


def read_variants(written: Mapping[str, Any], timeframe: str | None, refuse: Refuse) -> dict[str, Variant]:
    """Return the valid variants and report faults of the others. ``timeframe``: the run's, None on ticks."""
    read = ((name, _variant(name, keys, timeframe, refuse)) for name, keys in written.items())
    return {name: variant for name, variant in read if variant is not None}


def read_parameters(
    path: Path, written: Mapping[str, Any], declared: Sequence[Number | Choice], owner: str, refuse: Refuse
) -> dict[str, float]:
    """Return the parameters in declared order; unknown keys are refused. ``owner``: the indicator, for messages."""
    names = [parameter.name for parameter in declared]
    for key in written:
        if key not in names:
            there = f"{owner} has {', '.join(names)}" if names else f"{owner} has no parameters: remove it"
            refuse((*path, key), f"{shown(key)} is not a parameter of {owner}", near(key, names, there))
    values = {}
    for parameter in declared:
        value = written.get(parameter.name, parameter.default)
        read = _parameter((*path, parameter.name), value, parameter, refuse)
        if read is not None:
            values[parameter.name] = read
    return values


def _variant(name: str, written: Any, timeframe: str | None, refuse: Refuse) -> Variant | None:
    path: Path = ("variants", name)
    if not _NAME.match(name) or name.lower() in RESERVED:
        remedy = "begin with a letter, continue with letters, digits, _ and -, and avoid the words of conditions"
        refuse(path, f"{shown(name)} cannot be the name of a variant", remedy)
        return None
    if not isinstance(written, dict):
        refuse(path, f"{shown(written)} is not a variant", "write for example {type: EMA, period: 10}")
        return None
    if "type" not in written:
        refuse((*path, "type"), "is missing", "write for example {type: EMA, period: 10}")
        return None
    kind = written["type"]
    if not isinstance(kind, str) or kind not in indicators.types_found():
        remedy = near(kind, indicators.types_found(), "`tightloop indicators` lists the types")
        refuse((*path, "type"), f"{shown(kind)} is not an indicator type", remedy)
        return None
    return _checked(name, written, indicators.load(kind), timeframe, refuse)


def _checked(
    name: str, written: Mapping[str, Any], indicator: indicators.Indicator, timeframe: str | None, refuse: Refuse
) -> Variant | None:
    path: Path = ("variants", name)
    parameters = {key: value for key, value in written.items() if key not in OWN_KEYS}
    values = read_parameters(path, parameters, indicator.parameters, indicator.type, refuse)
    output = written["output"] if "output" in written else indicator.outputs[0]
    if output not in indicator.outputs:
        remedy = near(output, indicator.outputs, f"write one of {', '.join(indicator.outputs)}")
        refuse((*path, "output"), f"{shown(output)} is not an output of {indicator.type}", remedy)
        output = indicator.outputs[0]
    variant_timeframe = _timeframe((*path, "timeframe"), written, indicator, timeframe, refuse)
    if len(values) < len(indicator.parameters):
        return None
    wrong = indicator.refused(values)
    if wrong is not None:
        refuse((*path, wrong[0]), wrong[1], wrong[2])
        return None
    return Variant(name, indicator.type, values, output, variant_timeframe)


def _parameter(path: Path, value: Any, parameter: Number | Choice, refuse: Refuse) -> float | None:
    if isinstance(parameter, Choice):
        if isinstance(value, str) and value in parameter.words:
            return float(parameter.words.index(value))
        words = ", ".join(parameter.words)
        refuse(path, f"{shown(value)} is none of {words}", near(value, parameter.words, f"write one of {words}"))
        return None
    kind = "a whole number" if parameter.whole else "a number"
    bounds = f"between {plain(parameter.minimum)} and {plain(parameter.maximum)}{' or 0' if parameter.or_zero else ''}"
    remedy = f"write {kind} {bounds}"
    if value is None:
        refuse(path, "is missing", f"write {parameter.name}: and {kind} {bounds}")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        refuse(path, f"{shown(value)} is not {kind}", remedy)
    elif not parameter.allows(value):
        refuse(path, f"{shown(value)} is not {bounds}", remedy)
    elif parameter.whole and value != int(value):
        refuse(path, f"{shown(value)} is not a whole number", remedy)
    else:
        return float(value)
    return None


def _timeframe(
    path: Path, written: Mapping[str, Any], indicator: indicators.Indicator, run: str | None, refuse: Refuse
) -> str | None:
    asked = value_at(written, "timeframe")
    if asked is None or asked == run:
        return None
    if not isinstance(asked, str) or asked not in TIMEFRAMES:
        refuse(path, f"{shown(asked)} is not a timeframe", f"write one of {', '.join(TIMEFRAMES)}")
        return None
    if indicator.is_windowed:
        refuse(path, f"{indicator.type} is computed over windows of time", "remove the key")
        return None
    run_ns = 0 if run is None else TIMEFRAMES[run]
    longer = [name for name, step_ns in TIMEFRAMES.items() if not run_ns or (step_ns > run_ns and not step_ns % run_ns)]
    if asked not in longer:
        remedy = f"write one of {', '.join(longer)}, or remove the key" if longer else "remove the key"
        refuse(path, f"{asked} is not a multiple of the run's {run}", remedy)
        return None
    if indicator.is_of_instance:
        refuse(path, f"{indicator.type} measures the position, which has no timeframe", "remove the key")
    return asked
