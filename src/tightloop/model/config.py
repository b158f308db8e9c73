"""A strategy file, read: every key known, every number within bounds, every name resolved, or a list of what is wrong.

Unknown keys, unknown variants and impossible values are refused with file, line, field and remedy, all at once.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tightloop.core import families, indicators, limits
from tightloop.core.indicators.contract import Choice, Number
from tightloop.model import yaml_lines
from tightloop.model.conditions import TREE_KEYS, BadTree, Node, conditions_of, depth, read_tree
from tightloop.model.errors import InputError, Problem
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.strategy_file import (
    MODELS,
    Account,
    Sections,
    SectionZ1,
    StopPercent,
    StopTrailing,
    StrategyFile,
    TargetLadder,
)
from tightloop.model.yaml_lines import LineOf


LEVERAGE_MAX = 200.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A named indicator: its type, its parameters in the form of the arena, which output, on which timeframe."""

    name: str
    type: str
    values: Mapping[str, float]
    output: str
    timeframe: str | None


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy file that holds together. ``trees`` has the sections that have conditions, by name."""

    file: str
    text: str
    read: StrategyFile
    instruments: tuple[InstrumentId, ...]
    variants: Mapping[str, Variant]
    trees: Mapping[str, Node]
    parameters: Mapping[str, float]
    warnings: tuple[str, ...]
    config_hash: str


def load(
    path: Path, *, settings: Sequence[str] = (), instruments: Sequence[str] = (), account: Path | None = None
) -> Strategy:
    """Read a strategy file; ``settings`` are ``path=value`` texts written over it. InputError collects every problem."""
    data, line_of = yaml_lines.load(path)
    raw = path.read_text(encoding="utf-8-sig")
    return read(data, line_of, str(path), raw, settings=settings, instruments=instruments, account=account)


def loads(yaml_text: str, name: str = "<strategy>", **options: Any) -> Strategy:
    """Read a strategy from text."""
    data, line_of = yaml_lines.load(yaml_text, name)
    return read(data, line_of, name, yaml_text, **options)


def read(
    data: Any,
    line_of: LineOf,
    file: str,
    raw: str,
    *,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    account: Path | None = None,
) -> Strategy:
    """Check parsed YAML and resolve its names."""
    if not isinstance(data, dict):
        raise InputError.one(file, 1, "", "is not a strategy", "write keys such as name:, family:, sections:")
    for setting in settings:
        _write_setting(data, setting)
    if instruments:
        data["instruments"] = list(instruments)
    if account is not None:
        data["account"] = _account_of(account)
    shaped, problems = _lift_trees(data)
    read_file: StrategyFile | None = None
    try:
        read_file = StrategyFile.model_validate(shaped)
    except ValidationError as error:
        problems = problems_of(error, file, line_of) + problems
    if read_file is None:
        raise InputError(*problems)
    return _Resolver(file, line_of, read_file, data, problems).strategy(raw)


def _account_of(path: Path) -> Any:
    """The account's limits from a file of their own, checked against that file's lines."""
    data, line_of = yaml_lines.load(path)
    if isinstance(data, dict) and set(data) == {"account"}:
        data = data["account"]
    try:
        Account.model_validate(data or {})
    except ValidationError as error:
        raise InputError(*problems_of(error, str(path), line_of)) from None
    return data or {}


def _write_setting(data: dict[str, Any], setting: str) -> None:
    """Write ``a.b.c=value`` over the file's data."""
    path, equals, value = setting.partition("=")
    if not equals or not path.strip():
        raise InputError.one("--set", None, setting, "is not path=value", "write for example variants.fast.period=12")
    *parents, last = path.strip().split(".")
    at: Any = data
    for name in parents:
        if isinstance(at, list):
            at = at[_index(at, name, setting)]
        elif isinstance(at, dict):
            at = at.setdefault(name, {})
        else:
            raise InputError.one("--set", None, setting, f"{name} is inside a value, not a mapping", "check the path")
    parsed = yaml_lines.load(value, "--set")[0]
    if isinstance(at, list):
        at[_index(at, last, setting)] = parsed
    elif isinstance(at, dict):
        at[last] = parsed
    else:
        raise InputError.one("--set", None, setting, "the path ends inside a value", "name a key of the strategy file")


def _index(items: list[Any], name: str, setting: str) -> int:
    if not name.isdigit() or int(name) >= len(items):
        raise InputError.one(
            "--set", None, setting, f"{name!r} is not an item of a list of {len(items)}", "count from 0"
        )
    return int(name)


def _lift_trees(data: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Move the tree of each section under ``tree``, so that what is left are keys that the models know."""
    sections = data.get("sections")
    if not isinstance(sections, dict):
        return data, []
    lifted = {}
    for name, section in sections.items():
        if not isinstance(section, dict):
            lifted[name] = {} if section is None else section
            continue
        own = {key: value for key, value in section.items() if key not in TREE_KEYS}
        trees = {key: value for key, value in section.items() if key in TREE_KEYS}
        if trees:
            own["tree"] = trees
        lifted[name] = own
    return {**data, "sections": lifted}, []


def problems_of(error: ValidationError, file: str, line_of: LineOf) -> list[Problem]:
    """pydantic's findings as problems with lines and remedies."""
    found = []
    for item in error.errors():
        path = tuple(item["loc"])
        field = ".".join(str(part) for part in path)
        kind, context = item["type"], item.get("ctx") or {}
        if kind == "refused":
            message, remedy = str(context["message"]), str(context["remedy"])
        elif kind == "extra_forbidden":
            message, remedy = f"{path[-1]!r} is not a known key", _nearest_key(error, path)
        elif kind == "missing":
            message, remedy = "is missing", f"write {path[-1]}: ..."
        else:
            message, remedy = (
                f"{_short(item['input'])} can not be used: {item['msg'].lower()}",
                "see the user guide for this key",
            )
        found.append(Problem(file, line_of(path), field, message, remedy))
    return found


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _nearest_key(error: ValidationError, path: tuple[str | int, ...]) -> str:
    parent = str(path[-2]) if len(path) > 1 else ""
    model = MODELS.get(parent)
    if model is None:
        return "remove it or check its spelling"
    known = [name for name in model.model_fields if name != "tree"] + (
        list(TREE_KEYS) if "tree" in model.model_fields else []
    )
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"


class _Resolver:
    """Names to things: instruments, variants, trees, and what only makes sense together."""

    def __init__(
        self, file: str, line_of: LineOf, read_file: StrategyFile, data: dict[str, Any], problems: list[Problem]
    ) -> None:
        self.file, self.line_of, self.read, self.data = file, line_of, read_file, data
        self.problems = problems
        self.warnings: list[str] = []

    def refuse(self, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        field = ".".join(str(part) for part in path)
        self.problems.append(Problem(self.file, self.line_of(path), field, message, remedy))

    def strategy(self, raw: str) -> Strategy:
        instruments = self._instruments()
        variants = {name: v for name in self.read.variants if (v := self._variant(name)) is not None}
        trees = self._trees(variants)
        parameters = self._parameters()
        if self.read.sections is not None:
            self._check_names(variants)
            self._check_sense(self.read.sections)
        if self.problems:
            raise InputError(*self.problems)
        canonical = json.dumps(
            {"read": self.read.model_dump(mode="json"), "instruments": [str(i) for i in instruments]}, sort_keys=True
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return Strategy(
            self.file, raw, self.read, instruments, variants, trees, parameters, tuple(self.warnings), digest[:16]
        )

    def _parameters(self) -> dict[str, float]:
        """The ``params:`` block of a family without sections; sections of the family that has them."""
        module = families.load(self.read.family)
        has_sections = not module.PARAMETERS
        if has_sections and self.read.sections is None:
            self.refuse(("sections",), "is missing", "write sections: with S1 and Z1 at least")
        if not has_sections and self.read.sections is not None:
            self.refuse(("sections",), f"the family {self.read.family} has no sections", "write params: instead")
        known = {parameter.name: parameter for parameter in module.PARAMETERS}
        for key in self.read.params:
            if key not in known:
                names = ", ".join(known) or "none"
                self.refuse(("params", key), f"{key!r} is not a parameter of {self.read.family}", f"it has {names}")
        values = {}
        for parameter in module.PARAMETERS:
            value = self._parameter(("params",), self.read.params, parameter)
            if value is not None:
                values[parameter.name] = value
        return values

    def _instruments(self) -> tuple[InstrumentId, ...]:
        found: list[InstrumentId] = []
        for index, name in enumerate(self.read.instruments):
            path = ("instruments", index)
            try:
                parsed = InstrumentId.parse(str(name))
            except ValueError as error:
                message, _, remedy = str(error).partition("; ")
                self.refuse(path, message, remedy)
                continue
            if parsed in found:
                self.refuse(path, f"{parsed} is named twice", "name each instrument once")
            found.append(parsed)
        if len(found) > limits.INSTRUMENTS_MAX:
            self.refuse(
                ("instruments",), f"{len(found)} are more than {limits.INSTRUMENTS_MAX}", "name fewer instruments"
            )
        return tuple(found)

    def _variant(self, name: str) -> Variant | None:
        path = ("variants", name)
        written = self.read.variants[name]
        if not isinstance(written, dict) or "type" not in written:
            self.refuse(path, f"{_short(written)} names no indicator", "write for example {type: EMA, period: 10}")
            return None
        if not name.replace("_", "a").isalnum() or name[0].isdigit() or name in TREE_KEYS:
            self.refuse(
                path, f"{name!r} can not be the name of a variant", "use letters, digits and _, no word of a rule"
            )
            return None
        kind = written["type"]
        known = indicators.types_found()
        if kind not in known:
            near = difflib.get_close_matches(str(kind).upper(), known, 1)
            remedy = f"did you mean {near[0]}?" if near else "`tightloop indicators` lists the types"
            self.refuse((*path, "type"), f"{kind!r} is not an indicator type", remedy)
            return None
        return self._checked_variant(name, written, indicators.load(kind))

    def _checked_variant(self, name: str, written: dict[str, Any], indicator: indicators.Indicator) -> Variant | None:
        path = ("variants", name)
        before = len(self.problems)
        parameters = {parameter.name: parameter for parameter in indicator.parameters}
        values: dict[str, float] = {}
        for key in written:
            if key not in parameters and key not in ("type", "output", "timeframe"):
                near = difflib.get_close_matches(str(key), list(parameters), 1)
                names = ", ".join(parameters) or "none"
                remedy = f"did you mean {near[0]}?" if near else f"{indicator.type} has {names}"
                self.refuse((*path, key), f"{key!r} is not a parameter of {indicator.type}", remedy)
        for parameter in indicator.parameters:
            value = self._parameter(path, written, parameter)
            if value is not None:
                values[parameter.name] = value
        output = written.get("output", indicator.outputs[0])
        if output not in indicator.outputs:
            self.refuse(
                (*path, "output"),
                f"{output!r} is not an output of {indicator.type}",
                f"write one of {', '.join(indicator.outputs)}",
            )
        timeframe = self._variant_timeframe(path, written, indicator)
        return Variant(name, indicator.type, values, output, timeframe) if len(self.problems) == before else None

    def _parameter(
        self, path: tuple[str | int, ...], written: dict[str, Any], parameter: Number | Choice
    ) -> float | None:
        here = (*path, parameter.name)
        value = written.get(parameter.name, parameter.default)
        if isinstance(parameter, Choice):
            if value not in parameter.words:
                self.refuse(
                    here,
                    f"{value!r} is none of {', '.join(parameter.words)}",
                    f"write one of {', '.join(parameter.words)}",
                )
                return None
            return float(parameter.words.index(value))
        if value is None:
            self.refuse(here, "is missing", f"write {parameter.name}: ...")
            return None
        kind = "a whole number" if parameter.whole else "a number"
        bounds = f"between {parameter.minimum:g} and {parameter.maximum:g}"
        if isinstance(value, bool) or not isinstance(value, int | float) or (parameter.whole and value != int(value)):
            self.refuse(here, f"{value!r} is not {kind}", f"write {kind} {bounds}")
            return None
        if not parameter.minimum <= value <= parameter.maximum:
            self.refuse(here, f"{value} is not {bounds}", f"write {kind} {bounds}")
            return None
        return float(value)

    def _variant_timeframe(
        self, path: tuple[str | int, ...], written: dict[str, Any], indicator: indicators.Indicator
    ) -> str | None:
        timeframe = written.get("timeframe")
        if timeframe is None or timeframe == self.read.timeframe:
            return None
        here = (*path, "timeframe")
        if timeframe not in TIMEFRAMES:
            self.refuse(here, f"{timeframe!r} is not a timeframe", f"write one of {', '.join(TIMEFRAMES)}")
        elif (
            TIMEFRAMES[timeframe] % TIMEFRAMES[self.read.timeframe]
            or TIMEFRAMES[timeframe] < TIMEFRAMES[self.read.timeframe]
        ):
            self.refuse(
                here, f"{timeframe} is not a multiple of the run's {self.read.timeframe}", "write a longer timeframe"
            )
        elif indicator.is_of_instance:
            self.refuse(here, f"{indicator.type} has no timeframe", "remove the key")
        return str(timeframe)

    def _trees(self, variants: Mapping[str, Variant]) -> dict[str, Node]:
        trees: dict[str, Node] = {}
        if self.read.sections is None:
            return trees
        for name in ("S1", "O1", "Z1", "ZE1", "E1"):
            written = getattr(self.read.sections, name).tree
            if written is None:
                continue
            path = ("sections", name)
            if len(written) > 1:
                self.refuse(
                    path,
                    f"has {len(written)} trees ({', '.join(written)})",
                    "put them into one all: [...] or any: [...]",
                )
                continue
            try:
                trees[name] = read_tree(written, path)
            except BadTree as bad:
                self.refuse(bad.path, bad.message, bad.remedy)
                continue
            if depth(trees[name]) > limits.RULE_DEPTH_MAX:
                self.refuse(path, f"is deeper than {limits.RULE_DEPTH_MAX} values", "write a flatter tree")
            for condition in conditions_of(trees[name]):
                for used in (condition.variant, *(o for o in condition.operands if isinstance(o, str))):
                    if used not in self.read.variants:
                        self._unknown_variant(condition.path, used)
        return trees

    def _unknown_variant(self, path: tuple[str | int, ...], used: str) -> None:
        near = difflib.get_close_matches(used, list(self.read.variants), 1)
        remedy = f"did you mean {near[0]}?" if near else f"write one of {', '.join(self.read.variants) or 'variants:'}"
        self.refuse(path, f"{used!r} is not a variant of this file", remedy)

    def _check_names(self, variants: Mapping[str, Variant]) -> None:
        """Variants named outside of the trees."""
        assert self.read.sections is not None, "names are checked in sections"
        z1 = self.read.sections.Z1
        base = ("sections", "Z1")
        names = [((*base, "order", "price"), z1.order.price if isinstance(z1.order.price, str) else None)]
        names.append((("confidence",), self.read.confidence if isinstance(self.read.confidence, str) else None))
        for key in ("stop_loss", "take_profit"):
            own = getattr(z1, key)
            names.append(((*base, key, "variant"), getattr(own, "variant", None)))
            names.append(((*base, key, "base"), getattr(own, "base", None)))
        names.append(((*base, "size", "scale", "variant"), z1.size.scale.variant if z1.size.scale else None))
        for path, name in names:
            if name is None or name == "close" and path[-1] == "price":
                continue
            if path[-1] == "price" and name in ("best_bid", "best_ask"):
                self.refuse(path, f"{name} needs quotes, and bars have none", "write close, a variant or a number")
            elif name not in self.read.variants:
                self._unknown_variant(path, name)

    def _check_sense(self, sections: Sections) -> None:
        """What is right by itself and wrong together."""
        z1, o1 = sections.Z1, sections.O1
        path = ("sections", "Z1")
        if (z1.tree is None) == (not z1.immediate):
            self.refuse(
                path,
                "has neither conditions nor immediate: true, or both",
                "write one of the two: an empty Z1 means nothing",
            )
        self._check_order(z1, (*path, "order"))
        self._check_size(z1, path)
        self._check_stop(z1, path)
        if o1.timeout_s == 0 and o1.tree is None and not z1.immediate:
            self.warnings.append(
                "O1 has no condition and no timeout: a signal waits for Z1 for ever and keeps its slot"
            )
        if sections.S1.tree is None:
            self.warnings.append("S1 has no conditions: the strategy never trades")
        exits = (
            z1.stop_loss,
            z1.take_profit,
            sections.ZE1.tree,
            sections.E1.tree,
            self.read.limits.max_hold_min,
        )
        if all(way is None for way in exits):
            self.warnings.append("nothing closes a position: no ZE1, E1, stop, target or max_hold_min")
        for bound in (5.0, 3.0):
            if z1.leverage > bound:
                self.warnings.append(f"leverage {z1.leverage:g} is above {bound:g}")
                break
        allowed = self.read.account.max_leverage or LEVERAGE_MAX
        if not 1.0 <= z1.leverage <= allowed:
            bounds = f"between 1 and {allowed:g}"
            remedy = f"write a number {bounds}, or raise account.max_leverage"
            self.refuse((*path, "leverage"), f"{z1.leverage:g} is not {bounds}", remedy)

    def _check_order(self, z1: SectionZ1, path: tuple[str | int, ...]) -> None:
        order = z1.order
        if (
            isinstance(order.price, bool)
            or not isinstance(order.price, str | int | float)
            or (not isinstance(order.price, str) and order.price <= 0)
        ):
            self.refuse(
                (*path, "price"), f"{order.price!r} is not a price", "write close, a variant or a number above 0"
            )
        if order.type == "market" and "order" in (self.data["sections"].get("Z1") or {}):
            written = self.data["sections"]["Z1"]["order"] or {}
            for key in ("price", "offset_bps", "post_only", "limit_offset_bps"):
                if key in written and written[key] not in ("close", 0, 0.0, False):
                    self.refuse((*path, key), f"a market order has no {key}", "write type: limit, or remove the key")
        if order.post_only and order.type != "limit":
            self.refuse((*path, "post_only"), "only a limit order can be post_only", "write type: limit")
        if order.post_only and order.tif in ("IOC", "FOK"):
            self.refuse((*path, "tif"), f"post_only and {order.tif} exclude each other", "write GTC or GTT")
        if order.tif == "GTT" and order.ttl_s is None:
            self.refuse((*path, "ttl_s"), "GTT needs a time", "write ttl_s: 60")
        if order.ttl_s is not None and order.tif in ("IOC", "FOK"):
            self.refuse((*path, "ttl_s"), f"{order.tif} has no time to live", "remove ttl_s or write GTT")
        if order.ttl_s is not None and order.type != "market" and order.ttl_s * 1e9 < TIMEFRAMES[self.read.timeframe]:
            self.warnings.append(
                f"ttl_s {order.ttl_s:g} is shorter than a bar of {self.read.timeframe}: the order can fill at an open only"
            )

    def _check_size(self, z1: SectionZ1, path: tuple[str | int, ...]) -> None:
        here = (*path, "size")
        size = z1.size
        if size.type in ("percentage", "risk") and size.value > (100.0 if size.type == "risk" else 10_000.0):
            self.refuse((*here, "value"), f"{size.value:g} percent is too much", "write a percentage")
        if size.clamp is not None and (len(size.clamp) != 2 or size.clamp[0] > size.clamp[1]):
            self.refuse((*here, "clamp"), f"{size.clamp} is not [min, max]", "write for example clamp: [20, 500]")
        stop = z1.stop_loss
        unarmed = isinstance(stop, StopTrailing) and stop.arm_pct > 0
        if size.type == "risk" and (stop is None or unarmed):
            self.refuse(
                here, "risk needs a stop_loss that stands from the entry on", "write a stop_loss, or another size type"
            )
        if size.scale is not None:
            points = size.scale.points
            ordered = [p[0] for p in points if len(p) == 2] == sorted({p[0] for p in points if len(p) == 2})
            if (
                not 2 <= len(points) <= limits.LADDER_STEPS_MAX
                or any(len(p) != 2 or p[1] < 0 for p in points)
                or not ordered
            ):
                self.refuse(
                    (*here, "scale", "points"),
                    "are not ascending [value, factor] pairs",
                    "write points: [[20, 1.2], [70, 0.55]]",
                )

    def _check_stop(self, z1: SectionZ1, path: tuple[str | int, ...]) -> None:
        stop, target = z1.stop_loss, z1.take_profit
        if isinstance(stop, StopPercent):
            # Isolated margin at the smallest maintenance rate in use, 0.5 %: beyond it the venue closes first.
            room = 100.0 / z1.leverage - 0.5 if z1.leverage > 1 or self.read.direction == "SHORT" else 100.0
            if stop.value >= room:
                self.refuse(
                    (*path, "stop_loss", "value"),
                    f"{stop.value:g} % lies beyond the liquidation price at leverage {z1.leverage:g}",
                    f"write less than {room:g}, or a lower leverage",
                )
        if isinstance(target, StopPercent) and self.read.direction == "SHORT" and target.value >= 100:
            self.refuse(
                (*path, "take_profit", "value"), f"a short can not gain {target.value:g} %", "write less than 100"
            )
        if isinstance(target, TargetLadder) and target.of == "pump_retracement" and target.base is None:
            self.refuse(
                (*path, "take_profit", "base"),
                "pump_retracement needs the price the pump began at",
                "name a variant, for example the lower output of a DONCHIAN",
            )
        if self.read.limits.min_risk_reward is not None and (stop is None or target is None):
            self.refuse(
                ("limits", "min_risk_reward"), "needs a stop_loss and a take_profit", "write both, or remove the limit"
            )
