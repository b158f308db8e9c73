"""Reads a strategy file: checks every key and number, resolves every name, or reports all faults at once.

Order: overrides and options are written over the YAML; trees are set aside under ``tree``; pydantic checks the
shape; ``_Resolver`` resolves names. If the shape is wrong, refused values are replaced by STAND_INS so that the rest
can still be checked; faults that only the stand-ins cause are dropped (``_is_told``).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tightloop.core import families, indicators, limits
from tightloop.model.errors import InputError, Problem
from tightloop.model.files import diagnostics, yaml_lines
from tightloop.model.files.diagnostics import dotted, near, value_at
from tightloop.model.files.fields import shown
from tightloop.model.files.overrides import KEY, Origins, Setting, Written, joined, write_own, write_settings
from tightloop.model.files.yaml_lines import LineOf
from tightloop.model.instruments import InstrumentId
from tightloop.model.signal import consistency as signal_consistency
from tightloop.model.signal import flat
from tightloop.model.signal.conditions import TREE_KEYS, BadTree, Condition, Node, conditions_of, depth, read_tree
from tightloop.model.signal.presets import PRESETS, preset_of
from tightloop.model.signal.python_class import EXAMPLE, PythonClass, check_params, feed_fault, find
from tightloop.model.signal.schema import CARRY, KINDS, Account, StrategyFile, TargetLadder
from tightloop.model.signal.variants import Variant, read_parameters, read_variants

SECTIONS = ("S1", "O1", "Z1", "ZE1", "E1")
_SIZE = {"type": "fixed", "value": 1}
PUMP = "PUMP_MAGNITUDE_PCT"
PUMP_BASE = "pump_retracement.base"
"""Variant added for a pump retracement target that names no ``base``: the base output of the PUMP variant."""
STAND_INS: Mapping[str, Any] = {
    "name": "unnamed", "family": "signal", "direction": "LONG", "timeframe": "1s", "S1": {}, "Z1": {"size": _SIZE},
    "size": _SIZE, **_SIZE, "price": 1, "variant": "unnamed", "multiple": 1, "buffer_pct": 1, "bps": 1,
    "coefficient": 1, "of": "percent", "steps": [[1, 1]],
}  # fmt: skip
"""Values that replace missing or refused ones, so that the rest of the file can be checked."""
FOLLOWS = (
    ("variants", "is not a variant of this file"), ("account", "leverage"), ("account.max_leverage", "leverage"),
    ("sections.Z1.stop_loss", "stop_loss"), ("sections.Z1.take_profit", "take_profit"),
    ("sections.Z1.leverage", "liquidation"), ("direction", "short"), ("family", "sections"), ("family", "params"),
)  # fmt: skip
"""(refused field, word): a later fault that contains the word may be caused by the stand-in of that field alone."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A valid strategy file.

    ``read``: its keys as validated. ``trees``: rule trees by section, only sections that have one. ``place``: maps a
    path to the file and line, or option, that wrote it. ``code``: the class of a strategy in Python. ``preset``: the
    account preset, if one was named.
    """

    file: str
    text: str
    read: StrategyFile
    instruments: tuple[InstrumentId, ...]
    variants: Mapping[str, Variant]
    trees: Mapping[str, Node]
    parameters: Mapping[str, float]
    warnings: tuple[str, ...]
    config_hash: str
    place: diagnostics.Place = field(compare=False, repr=False)
    code: PythonClass | None = None
    preset: str | None = None
    settings: tuple[Written, ...] = field(default=(), compare=False)
    """Overrides in order: those under ``set`` in the file, then options of the run."""

    @property
    def name(self) -> str:
        """``name:`` of the file."""
        return self.read.name


def load(
    path: Path, *, settings: Sequence[Setting] = (), instruments: Sequence[str] = (), account: Path | None = None
) -> Strategy:
    """Read a strategy file with ``settings`` (``path=value``) written over it. Raises InputError with every problem."""
    written, line_of = yaml_lines.load(path)
    raw = path.read_text(encoding="utf-8-sig")
    return read(written, line_of, str(path), raw, settings=settings, instruments=instruments, account=account)


def loads(
    yaml_text: str,
    name: str = "<strategy>",
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | None = None,
) -> Strategy:
    """Parse the text of a strategy file; ``name`` stands for the file in messages."""
    written, line_of = yaml_lines.load(yaml_text, name)
    return read(written, line_of, name, yaml_text, settings=settings, instruments=instruments, account=account)


def read(
    written: Any,
    line_of: LineOf,
    file: str,
    raw: str,
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | None = None,
    is_alone: bool = False,
) -> Strategy:
    """Validate parsed YAML and resolve its names; ``is_alone``: without code. Raises InputError with every problem."""
    if not isinstance(written, dict):
        fault = "is empty" if written is None else "is not a mapping of keys"
        raise InputError.one(file, 1, "", fault, "write keys such as name:, family: and sections:")
    origins = Origins(file, line_of)
    problems: list[Problem] = []
    block = written.pop(KEY, None)
    over: list[Written] = [*_collected(lambda: write_own(written, block, file, line_of, origins), problems)]
    if account is not None:
        written["account"] = _collected(lambda: _account_of(account), problems)
        over.append(("account", dict(written["account"])))
    over += _collected(lambda: write_settings(written, settings, origins), problems)
    if instruments:
        written["instruments"] = list(instruments)
        origins.wrote(("instruments",), "--instrument")
        over.append(("instruments", list(instruments)))
    if value_at(written, "family") == CARRY:
        remedy = "name strategies of the other families"
        at_file, line = origins.place(("family",))
        raise InputError.one(at_file, line, "family", "a carry strategy cannot be used here", remedy)
    lifted = _lifted(written, origins, problems)
    try:
        shape = StrategyFile.model_validate(lifted)
    except ValidationError as error:
        problems += diagnostics.problems_of(
            error, StrategyFile, lifted, origins.place, kinds=KINDS, tree_keys=TREE_KEYS
        )
        rest = _rest(lifted, error)
        if rest is not None:
            faults = _Resolver(file, origins, rest, lifted, is_alone).problems
            problems += [fault for fault in faults if not _is_told(fault, problems)]
        raise InputError(*sorted(problems, key=lambda problem: problem.line or 0)) from None
    reader = _Resolver(file, origins, shape, lifted, is_alone)
    problems += reader.problems
    if problems:
        raise InputError(*sorted(problems, key=lambda problem: problem.line or 0))
    return replace(reader.strategy(raw), preset=preset_of(account), settings=joined(over))


def _collected(job: Callable[[], Any], problems: list[Problem]) -> Any:
    """Return the result of a job, or an empty mapping after adding its problems to ``problems``."""
    try:
        return job()
    except InputError as error:
        problems += error.problems
        return {}


def _account_of(path: Path) -> Any:
    """Return account limits from a preset or from a file, whose own lines appear in messages."""
    name = preset_of(path)
    if name is not None:
        return dict(PRESETS[name])
    written, line_of = yaml_lines.load(path)
    inside = ("account",) if isinstance(written, dict) and set(written) == {"account"} else ()
    keys = (written["account"] if inside else written) or {}
    if not isinstance(keys, dict):
        remedy = "write keys such as max_position_pct: 10"
        raise InputError.one(path, line_of(inside), "account", f"{shown(keys)} is not a mapping", remedy)
    try:
        Account.model_validate(keys)
    except ValidationError as error:
        problems = diagnostics.problems_of(
            error, Account, keys, lambda at_path: (str(path), line_of((*inside, *at_path)))
        )
        raise InputError(*problems) from None
    return keys


def _lifted(written: dict[str, Any], origins: Origins, problems: list[Problem]) -> dict[str, Any]:
    """Move the trees of each section under the key ``tree``, so that pydantic sees known keys only."""
    sections = value_at(written, "sections")
    if not isinstance(sections, dict):
        return written
    lifted: dict[str, Any] = {}
    for name, section in sections.items():
        if not isinstance(section, dict):
            lifted[name] = {} if section is None else section
            continue
        trees = {key: value for key, value in section.items() if key in TREE_KEYS}
        lifted[name] = {key: value for key, value in section.items() if key not in TREE_KEYS and key != "tree"}
        if "tree" in section:
            file, line = origins.place(("sections", name, "tree"))
            message, remedy = "'tree' is not a known key", f"write one of {', '.join(TREE_KEYS)}"
            problems.append(Problem(file, line, f"sections.{name}.tree", message, remedy))
        if trees:
            lifted[name]["tree"] = trees
    return {**written, "sections": lifted}


def _rest(lifted: dict[str, Any], error: ValidationError) -> StrategyFile | None:
    """Return the file with stand-ins for faulty values, or None if nothing can be checked."""
    for _ in range(3):  # a stand-in for a section may itself lack required keys
        lifted = diagnostics.without(lifted, error, lambda path: STAND_INS.get(str(path[-1])))
        try:
            return StrategyFile.model_validate(lifted)
        except ValidationError as another:
            error = another
    return None


def _is_told(fault: Problem, problems: Sequence[Problem]) -> bool:
    """Return whether a fault repeats a reported problem or may be caused by its stand-in."""
    for told in problems:
        if f"{fault.field}.".startswith(f"{told.field}."):
            return True
        if f"{told.field}.".startswith(f"{fault.field}.") and (
            "a known key" in told.message or "immediate" in told.field
        ):
            return True
        for field_of, text in FOLLOWS:
            is_inside = field_of.startswith("sections.") and told.field.startswith(f"{field_of}.")
            if (told.field == field_of or is_inside) and text in f"{fault.field} {fault.message} {fault.remedy}":
                return True
    return False


class _Resolver:
    """Resolves instruments, variants, trees and code; ``problems`` is complete after construction."""

    def __init__(
        self, file: str, origins: Origins, shape: StrategyFile, written: Mapping[str, Any], is_alone: bool = False
    ) -> None:
        self.file, self.shape, self._place = file, shape, origins.place
        self._is_alone = is_alone
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.instruments = self._instruments()
        self.variants = read_variants(shape.variants, shape.timeframe, self._refuse)
        self.trees = dict(self._trees())
        self.code: PythonClass | None = None
        self.parameters: dict[str, float] = {}
        if families.is_outside(shape.family):
            self._read_code()
        else:
            self._refuse_code()
            self.parameters = self._parameters()
        self._check_feed(written)
        self._check_names()
        if shape.sections is not None:
            order = value_at(written, "sections", "Z1", "order")
            keys = order if isinstance(order, dict) else {}
            self.warnings = signal_consistency.check(shape, shape.sections, keys, self._refuse)
            self.warnings += flat.warnings(self.variants, self.trees, self._place)

    def strategy(self, raw: str) -> Strategy:
        """Build the strategy from what was read; call only when there are no problems."""
        assert not self.problems, "what is refused is no strategy"
        return Strategy(
            self.file, raw, self.shape, self.instruments, self.variants, self.trees, self.parameters,
            tuple(self.warnings), self._hash(), self._place, self.code,
        )  # fmt: skip

    def _refuse(self, path: diagnostics.Path, message: str, remedy: str) -> None:
        file, line = self._place(path)
        self.problems.append(Problem(file, line, dotted(path), message, remedy))

    def _hash(self) -> str:
        """Return the config hash: 16 hex digits over everything that affects decisions, independent of spelling."""
        elsewhere = {"description", "instruments", "variants", "sections", "params", "class_", "module"}
        shape = self.shape.model_dump(exclude=elsewhere)
        sections = None
        if self.shape.sections is not None:
            sections = self.shape.sections.model_dump(exclude={name: {"tree"} for name in SECTIONS})
        parts = {
            "shape": shape,
            "instruments": [str(instrument) for instrument in self.instruments],
            "variants": {name: [v.type, dict(v.values), v.output, v.timeframe] for name, v in self.variants.items()},
            "sections": sections,
            "trees": {name: _spelled(tree) for name, tree in self.trees.items()},
            "params": dict(self.parameters),
        }
        if self.code is not None:
            parts |= {"params": self.shape.params, "code": [self.code.name, self.code.digest]}
        canonical = json.dumps(_plain(parts), sort_keys=True, allow_nan=False, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def _read_code(self) -> None:
        """Load the strategy's class and check it against ``params`` and ``feed``."""
        family, shape = self.shape.family, self.shape
        if self._is_alone:
            self._refuse(("family",), f"{family} is code, which is not read here", "start it in a terminal")
            return
        for key in ("sections", "direction", "confidence"):
            if getattr(shape, key) is not None:
                self._refuse((key,), f"the family {family} has no {key}", "remove the key: the class decides")
        if (shape.class_ is None) == (shape.module is None):
            self._refuse(("class",), "is missing" if shape.class_ is None else "excludes module:", EXAMPLE)
            return
        key = "class" if shape.class_ is not None else "module"
        written = shape.class_ or shape.module or ""
        try:
            code_class = find(key, written, Path(self.file).parent, lambda: self._place((key,)))
            check_params(code_class, shape.params, lambda name: self._place(("params", name)))
        except InputError as error:
            self.problems += error.problems
            return
        fault = feed_fault(code_class, shape.feed)
        if fault is not None:
            self._refuse((key,), *fault)
        self.code = code_class

    def _refuse_code(self) -> None:
        """Refuse keys that belong to Python strategies, and require ``direction``."""
        for key, value in (("class", self.shape.class_), ("module", self.shape.module)):
            if value is not None:
                self._refuse((key,), f"the family {self.shape.family} has no {key}", "write family: python")
        if self.shape.direction is None:
            self._refuse(("direction",), "is missing", f"write direction: {diagnostics.EXAMPLES['direction']}")

    def _parameters(self) -> dict[str, float]:
        """Read ``params:`` of a family with declared parameters; require sections otherwise."""
        family = self.shape.family
        declared = families.load(family).PARAMETERS
        if not declared and self.shape.sections is None:
            self._refuse(("sections",), "is missing", "write sections: with S1 and Z1 at least")
        if declared and self.shape.sections is not None:
            self._refuse(("sections",), f"the family {family} has no sections", "write params: instead")
        return read_parameters(("params",), self.shape.params, declared, f"the family {family}", self._refuse)

    def _instruments(self) -> tuple[InstrumentId, ...]:
        instruments: list[InstrumentId] = []
        for index, name in enumerate(self.shape.instruments):
            path = ("instruments", index)
            if not isinstance(name, str):
                remedy = "write for example [binance:BTCUSDT-perp], without a blank after the colon"
                self._refuse(path, f"{shown(name)} is not an instrument", remedy)
                continue
            try:
                parsed = InstrumentId.parse(name)
            except ValueError as error:
                message, _, remedy = str(error).partition("; ")
                self._refuse(path, message, remedy)
                continue
            if parsed in instruments:
                self._refuse(path, f"{parsed} is named twice", "name each instrument once")
            instruments.append(parsed)
        if len(instruments) > limits.INSTRUMENTS_MAX:
            message = f"{len(instruments)} instruments are more than the {limits.INSTRUMENTS_MAX} of a run"
            self._refuse(("instruments",), message, "name fewer, or run them separately")
        return tuple(instruments)

    def _trees(self) -> Iterator[tuple[str, Node]]:
        count = 0
        for name in SECTIONS if self.shape.sections is not None else ():
            written = getattr(self.shape.sections, name).tree
            if written is None:
                continue
            tree = self._tree(written, ("sections", name))
            if tree is not None:
                count += len(conditions_of(tree))
                yield name, tree
        if count > limits.NODES_MAX:
            remedy = "write fewer conditions"
            self._refuse(("sections",), f"{count} conditions are more than {limits.NODES_MAX}", remedy)

    def _tree(self, written: Mapping[str, Any], path: diagnostics.Path) -> Node | None:
        if len(written) > 1:
            remedy = "put them into one all: [...] or any: [...]"
            self._refuse(path, f"has {len(written)} trees ({', '.join(written)})", remedy)
            return None
        try:
            tree = read_tree(written, path)
        except BadTree as bad:
            for fault in bad.faults:
                self._refuse(*fault)
            self._check_conditions(bad.conditions)
            return None
        self._check_conditions(conditions_of(tree))
        if depth(tree) > limits.RULE_DEPTH_MAX:
            message = f"an evaluation would hold {depth(tree)} values at once, more than {limits.RULE_DEPTH_MAX}"
            self._refuse((*path, next(iter(written))), message, "write shorter lists and flatter trees")
        return tree

    def _check_conditions(self, conditions: Sequence[Condition]) -> None:
        for condition in conditions:
            for used in (condition.variant, *(o for o in condition.operands if isinstance(o, str))):
                self._check_variant(condition.path, used)

    def _check_variant(self, path: diagnostics.Path, used: str) -> None:
        known = list(self.shape.variants)
        if used not in known:
            there = f"write one of {', '.join(known)}" if known else "name it under variants: first"
            self._refuse(path, f"{shown(used)} is not a variant of this file", near(used, known, there))

    def _check_feed(self, written: Mapping[str, Any]) -> None:
        """Check bars against ticks, and that every indicator gets the inputs it needs."""
        feed = self.shape.feed
        if feed is None and value_at(written, "feed") is not None:
            return  # the feed was refused, so checks against it would be guesses
        if feed is None:
            if self.shape.timeframe is None:
                self._refuse(("timeframe",), "is missing", "write timeframe: 1m for bars, or feed: [trades, quotes]")
            if "latency" in written:
                self._refuse(("latency",), "bars have no latency", "remove the key, or write feed: [trades, quotes]")
        elif self.shape.timeframe is not None:
            remedy = "remove one of the two"
            self._refuse(("timeframe",), "belongs to bars, and this strategy has a feed of ticks", remedy)
            return
        for name, variant in self.variants.items():
            self._check_tapes(("variants", name, "type"), indicators.load(variant.type), variant)

    def _check_tapes(self, path: diagnostics.Path, indicator: indicators.Indicator, variant: Variant) -> None:
        feed = self.shape.feed or []
        # A book feed contains the best quotes.
        has = {*feed, "quotes"} if "book" in feed else set(feed)
        missing = [tape for tape in indicator.tapes(variant.values) if tape not in has]
        if missing:
            remedy = f"write feed: [{', '.join(dict.fromkeys([*feed, *missing]))}]"
            self._refuse(path, f"{indicator.type} needs {' and '.join(missing)}", remedy)
        elif self.shape.feed is not None and not indicator.is_windowed and not indicator.is_of_instance:
            if "trades" not in feed:
                self._refuse(path, f"{indicator.type} counts bars, which are made of trades", "add trades to the feed")
            elif variant.timeframe is None:
                remedy = "write timeframe: 1m beside its type"
                self._refuse(path, f"{indicator.type} counts bars, and ticks have none", remedy)

    def _check_names(self) -> None:
        """Check variants that are named outside the trees."""
        if isinstance(self.shape.confidence, str):
            self._check_variant(("confidence",), self.shape.confidence)
        if self.shape.sections is None:
            return
        z1, base = self.shape.sections.Z1, ("sections", "Z1")
        price = z1.order.price
        if price in ("best_bid", "best_ask") and not {"quotes", "book"} & set(self.shape.feed or []):
            remedy = "write close, a variant or a number"
            self._refuse((*base, "order", "price"), f"{price} needs quotes, and bars have none", remedy)
        elif isinstance(price, str) and price not in ("close", "best_bid", "best_ask") and z1.order.type != "market":
            self._check_variant((*base, "order", "price"), price)
        self._check_base(z1.take_profit, (*base, "take_profit"))
        for key in ("stop_loss", "take_profit"):
            for name in ("variant", "base"):
                used = getattr(getattr(z1, key), name, None)
                if used is not None:
                    self._check_variant((*base, key, name), used)
        if z1.size.scale is not None:
            self._check_variant((*base, "size", "scale", "variant"), z1.size.scale.variant)

    def _check_base(self, target: Any, path: diagnostics.Path) -> None:
        """Require a base price for a retracement target: a named variant, or an output of the pump indicator.

        If the file has a variant of type PUMP, its output ``base`` is added as the variant PUMP_BASE.
        """
        if not isinstance(target, TargetLadder) or target.of != "pump_retracement" or target.base is not None:
            return
        pump = next((variant for variant in self.variants.values() if variant.type == PUMP), None)
        if pump is None:
            remedy = "write base: and a variant, for example the lower output of a DONCHIAN"
            self._refuse(path, "pump_retracement needs the price at which the pump began", remedy)
        else:
            self.variants[PUMP_BASE] = replace(pump, name=PUMP_BASE, output="base")


def _spelled(node: Node) -> Any:
    """Return a tree as nested lists, independent of its spelling."""
    if isinstance(node, Condition):
        return [node.variant, node.operator, list(node.operands)]
    return [node.kind, node.span_s, [_spelled(part) for part in node.parts]]


def _plain(value: Any) -> Any:
    """Convert numbers to float, so that 1, 1.0 and 1e0 hash alike."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    assert math.isfinite(value), "a number of a strategy is finite"
    return float(value) + 0.0  # turns -0.0 into 0.0, which hashes alike
