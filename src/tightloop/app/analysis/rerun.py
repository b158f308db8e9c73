"""A finished run repeated from its folder: same strategy, same data, same step, and proof that it is the same."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from tightloop import __version__
from tightloop.adapters.stores import parquet
from tightloop.app.facts.conditions import Facts
from tightloop.app.markets import opening as markets_opening
from tightloop.app.markets.bars import Market
from tightloop.app.markets.notes import is_synthetic
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.text.window import TIME_REMEDY, window_of
from tightloop.core.state import state_hash
from tightloop.model.errors import InputError, Problem
from tightloop.model.files.overrides import Setting
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.read import Strategy
from tightloop.runtime.observe.signal import Watched, watch
from tightloop.runtime.results import build as results_build

REMEDY = "name a folder that `tightloop backtest` wrote"
AGAIN = "run the backtest again, and explain the new run"
READ = ("signals", "orders", "fills", "trades")
KEYS = ("strategy", "config_hash", "data_hash", "engine_version", "seed", "session_id", "from", "to", "state_hash")
RUN_KEYS = ("strategy", "session_id", "config_hash", "data_hash", "engine_version", "state_hash")
"""Keys of ``result.json`` that an explanation repeats."""
INPUTS = ("strategies", "data", "from", "to", "instruments", "settings", "account", "accept", "is_part")


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run of any family, as its folder has it: ``result`` is result.json."""

    folder: Path
    result: Mapping[str, Any]

    @property
    def is_part(self) -> bool:
        """Whether Ctrl-C or a failure of a strategy in Python ended the run."""
        return bool(self.result["inputs"]["is_part"])

    def facts(self, extent: Facts) -> Facts:
        """Return ``run`` of an explanation; ``extent``: how much was repeated. Only a proven repetition has one."""
        return {
            "folder": self.folder.as_posix(), **{key: self.result[key] for key in RUN_KEYS},
            "is_same_again": True, "is_synthetic": is_synthetic(self.result), **extent,
            "is_part": self.is_part, "cut_short": cut_short(self.result),
        }  # fmt: skip

    def order(self, orders: pl.DataFrame, order_id: str) -> dict[str, Any]:
        """Return the row of an order; InputError when the run has no such order."""
        rows = orders.filter(pl.col("order_id") == order_id)
        if rows.is_empty():
            some = ", ".join(orders["order_id"].head(3).to_list()) or "it has none"
            remedy = f"take one of orders.parquet, for example {some}"
            raise InputError.one(self.folder, None, "--order", f"the run has no order {order_id!r}", remedy)
        return rows.row(0, named=True)

    def check_time(self, ts_ns: int, begin_ns: int, end_ns: int) -> None:
        """Refuse (InputError) a time outside of the run; both ends are inside."""
        if not begin_ns <= ts_ns <= end_ns:
            message = f"the run went from {self.result['from']} to {self.result['to']}"
            raise InputError.one("command line", None, "--at", message, f"name a time in it: {TIME_REMEDY}")


@dataclass(frozen=True, slots=True)
class RunSource(FinishedRun):
    """Inputs of a finished run on bars or ticks."""

    strategies: tuple[Strategy, ...]
    market: Market | TickMarket


@dataclass(frozen=True, slots=True)
class Again(RunSource):
    """A run that was read and repeated. ``whole`` was observed to its end; a part as far as it went."""

    frames: Mapping[str, pl.DataFrame]
    whole: Watched

    def plan(self) -> Plan:
        """Make the plan as it was before the first event."""
        return make_plan(self.strategies, self.market.rules, seed=self.result["seed"])

    def at(self, ts_ns: int) -> Watched:
        """Repeat the run until all events up to a time (ns UTC) are applied."""
        plan = self.plan()
        count = watch(plan, self.market.feed(plan), until_ns=ts_ns, may_fail=self.is_part).events_until
        return self._after(count)

    def at_step(self, seq: int) -> Watched:
        """Repeat the run until the market event is applied that contains the step of this number."""
        plan = self.plan()
        count = watch(plan, self.market.feed(plan), until_seq=seq, may_fail=self.is_part).events_until
        return self._after(count)

    def _after(self, events: int) -> Watched:
        plan = self.plan()
        done = min(events, self.whole.events)
        return watch(plan, self.market.feed(plan), events=done, may_fail=self.is_part)


def number_of(order_id: str) -> int | None:
    """Parse the text of an order id, ``step-index``, into its number; None for another text."""
    step, _, place = order_id.partition("-")
    return (int(step) << 16) + int(place) if step.isdecimal() and place.isdecimal() else None


def run_again(folder: Path, data: Path | None, order: str | None = None) -> Again:
    """Read a run's folder and repeat the run; InputError when files, options or data are not those of the run.

    ``order``: an order (its text) whose request is recorded when a strategy in Python made it.
    """
    source = read_source(folder, data)
    missing = [name for name in READ if not (folder / f"{name}.parquet").is_file()]
    if missing:
        faults = (Problem(str(folder), None, f"{name}.parquet", "is not in the folder", REMEDY) for name in missing)
        raise InputError(*faults)
    try:
        frames = {name: parquet.read(folder / f"{name}.parquet") for name in READ}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError.one(folder, None, "", f"a table cannot be read: {error}", REMEDY) from None
    whole = _watched(source, None if order is None else number_of(order))
    plan = whole.plan
    if isinstance(source.market, TickMarket) and not source.result["inputs"]["is_part"]:
        check_data(folder, source.result, source.market.digest())
    check_state(folder, source.result, state_hash(plan.states, plan.arena), plan.has_code)
    return Again(folder, source.result, source.strategies, source.market, frames, whole)


def _watched(source: RunSource, order_id: int | None) -> Watched:
    """Repeat a run under observation to its end; a part, for as many steps as it took."""
    plan = make_plan(source.strategies, source.market.rules, seed=source.result["seed"])
    inputs = source.result["inputs"]
    if not inputs["is_part"]:
        return watch(plan, source.market.feed(plan), order_id=order_id)
    count = watch(plan, source.market.feed(plan), until_seq=inputs["steps"], may_fail=True).events_until
    plan = make_plan(source.strategies, source.market.rules, seed=source.result["seed"])
    return watch(plan, source.market.feed(plan), events=count, order_id=order_id, may_fail=True)


def read_source(folder: Path, data: Path | None) -> RunSource:
    """Read strategies and data of a finished run; InputError when they are not the same by their hashes."""
    result = read_result(folder)
    inputs = result["inputs"]
    if "fills" in inputs:
        message = "was made with --fills ticks, from what a session received"
        raise InputError.one(folder, None, "", message, "ask the session instead: `tightloop session show`")
    strategies = _strategies(folder, result)
    catalog = catalog_of(folder, inputs, data)
    market = markets_opening.open_market(strategies, catalog, **window_options(inputs))
    if not isinstance(market, TickMarket):  # ticks are hashed while they are read
        plan = make_plan(strategies, market.rules, seed=result["seed"])
        check_data(folder, result, market.digest(market.feed(plan)))
    return RunSource(folder, result, strategies, market)


def catalog_of(folder: Path, inputs: Mapping[str, Any], data: Path | None) -> Path:
    """Return the catalog to read: ``data``, by default the one of the run; InputError when it does not exist."""
    if data is None and inputs["data"] is None:
        message = "the run was made on frames in memory, which are not in its folder"
        raise InputError.one(folder, None, "", message, "name a catalog with the same data with --data")
    catalog = Path(inputs["data"]) if data is None else data
    if not catalog.is_dir():
        message = f"the run read the catalog {catalog}, and there is no such folder here"
        raise InputError.one(folder, None, "", message, "say with --data where it is")
    return catalog


def window_options(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments that the run gave the loaders: start_ns, end_ns and accepted datasets."""
    start_ns, end_ns = window_of(inputs["from"], inputs["to"])
    return {"start_ns": start_ns, "end_ns": end_ns, "accepted": frozenset(inputs["accept"])}


def check_data(folder: Path, result: Mapping[str, Any], digest: str) -> None:
    """Refuse (InputError) data whose hash is not that of the run."""
    if digest != result["data_hash"]:
        message = f"the data are not those of the run (data hash {result['data_hash']})"
        raise InputError.one(folder, None, "", message, f"name the catalog that the run read with --data, or {AGAIN}")


def read_result(folder: Path) -> dict[str, Any]:
    """Read ``result.json`` of a run that says what it was made from and how far it went.

    Raises InputError for anything else: no run, a run of an older version, a run without an event.
    """
    if not folder.is_dir():
        raise InputError.one(folder, None, "", "there is no such folder", REMEDY)
    path = folder / "result.json"
    if not path.is_file():
        raise InputError.one(folder, None, "result.json", "is not in the folder", REMEDY)
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError.one(path, None, "", "is not JSON", REMEDY) from None
    if not isinstance(result, dict) or any(key not in result for key in KEYS):
        raise InputError.one(path, None, "", "is not of a backtest", REMEDY)
    if "inputs" not in result or not isinstance(result["inputs"], dict):
        message = "does not say what the run was made from: an older version wrote it"
        raise InputError.one(path, None, "inputs", message, AGAIN)
    if any(key not in result["inputs"] for key in INPUTS):
        raise InputError.one(path, None, "inputs", "is not complete", AGAIN)
    inputs = result["inputs"]
    if inputs["is_part"] and "steps" not in inputs and "instants" not in inputs:
        message = "the run was interrupted, and the version that made it did not record where"
        raise InputError.one(folder, None, "", message, AGAIN)
    if inputs["is_part"] and 0 in (inputs[name] for name in ("steps", "instants") if name in inputs):
        raise InputError.one(folder, None, "", "the run was interrupted before its first event", AGAIN)
    return result


def cut_short(result: Mapping[str, Any]) -> str | None:
    """Return why a part ended and how far it went (its first warning); None for a whole run."""
    return str(result["warnings"][0]) if result["inputs"]["is_part"] else None


def is_in_files(inputs: Mapping[str, Any]) -> bool:
    """Check whether the files of a run contain its options; those of older versions do not."""
    return bool({"options_in_files": False, **inputs}["options_in_files"])


def settings_beside(inputs: Mapping[str, Any]) -> list[Setting]:
    """Return the settings of a run that its files do not contain."""
    return [] if is_in_files(inputs) else list(inputs["settings"])


def _strategies(folder: Path, result: Mapping[str, Any]) -> tuple[Strategy, ...]:
    """Read the strategies with the run's options; InputError when their hash is not that of the run."""
    inputs = result["inputs"]
    paths = [folder / name for name in inputs["strategies"]]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(*(Problem(str(folder), None, name, "is not in the folder", REMEDY) for name in missing))
    with tempfile.TemporaryDirectory() as temporary:
        account = Path(temporary) / "account.yaml"
        limits = {name: value for name, value in result["account"].items() if name != "preset"}
        account.write_text(yaml.safe_dump(limits), encoding="utf-8")
        strategies = runs_strategies.load_strategies(
            paths, settings=settings_beside(inputs), instruments=() if is_in_files(inputs) else inputs["instruments"],
            account=account if inputs["account"] and not is_in_files(inputs) else None,
        )  # fmt: skip
    if results_build.config_hash(strategies) != result["config_hash"]:
        message = "the strategy in the folder, with the options of the run, is not the one that ran"
        raise InputError.one(folder, None, "", message, f"put the file back as the run wrote it, or {AGAIN}")
    return strategies


def check_state(folder: Path, result: Mapping[str, Any], found: str, has_code: bool = False) -> None:
    """Refuse (InputError) a repetition that ended in another state than the run, with the likely reason."""
    if found == result["state_hash"]:
        return
    version = result["engine_version"]
    message = f"run again, it ends in the state {found}, not {result['state_hash']}"
    if version != __version__:
        remedy = f"the run was made by version {version}, this is {__version__}: use that version, or {AGAIN}"
    elif has_code:
        remedy = (
            "the class does not decide the same way twice (something it imports changed, or it reads a clock, a file "
            f"or unseeded random numbers), or the rules of the instruments changed: make it deterministic, and {AGAIN}"
        )
    else:
        remedy = f"the engine or the rules of the instruments changed since: {AGAIN}"
    raise InputError.one(folder, None, "state_hash", message, remedy)
