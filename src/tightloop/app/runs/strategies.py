"""Strategies of a run: files, YAML texts or objects read into one validated set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tightloop.model import load as files
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import InputError, Problem
from tightloop.model.files.gathered import Gathering
from tightloop.model.files.overrides import Setting, with_settings
from tightloop.model.signal.portfolio import check_files
from tightloop.model.signal.read import Strategy

NO_CARRY = "a carry strategy cannot be used here"


def load_any(
    strategies: Sequence[Any],
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | str | None = None,
) -> tuple[Strategy | CarryStrategy, ...]:
    """Read strategies of any family: paths, YAML texts (anything with a line break) or strategies already read.

    Raises InputError with the problems of all of them.
    """
    loaded: list[Strategy | CarryStrategy] = []
    problems: list[Problem] = []
    limits_file = Path(account) if account else None
    for source in strategies:
        if isinstance(source, Strategy | CarryStrategy):
            loaded.append(source)
            continue
        text = str(source)
        strategy: Strategy | CarryStrategy
        try:
            if isinstance(source, Path) or "\n" not in text:
                strategy = files.load(Path(text), settings=settings, instruments=instruments, account=limits_file)
            else:
                strategy = files.loads(text, settings=settings, instruments=instruments, account=limits_file)
        except InputError as error:
            problems += (problem for problem in error.problems if problem not in problems)
        else:
            loaded.append(strategy)
    if problems:
        raise InputError(*problems)
    if not loaded:
        raise InputError.one("command line", None, "STRATEGIES", "names no strategy", "name a strategy file")
    return tuple(loaded)


def load_strategies(
    strategies: Sequence[Any],
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | str | None = None,
) -> tuple[Strategy, ...]:
    """Read strategies as ``load_any`` does and check that they may share an account; InputError for a carry strategy,
    which runs alone."""
    loaded = without_carry(load_any(strategies, settings=settings, instruments=instruments, account=account))
    check_files(loaded)
    return loaded


def load_alone(text: str) -> Strategy:
    """Read a strategy as text alone, without opening a file or importing what it names. Raises InputError."""
    strategy = files.loads_alone(text)
    check_files((strategy,))
    return strategy


def without_carry(loaded: Sequence[Strategy | CarryStrategy]) -> tuple[Strategy, ...]:
    """Return the strategies unchanged; InputError that names the first one of the carry family."""
    kept: list[Strategy] = []
    for strategy in loaded:
        if isinstance(strategy, CarryStrategy):
            file, line = strategy.place(("family",))
            raise InputError.one(file, line, "family", NO_CARRY, "name strategies of the other families")
        kept.append(strategy)
    return tuple(kept)


def carry_of(loaded: Sequence[Strategy | CarryStrategy]) -> CarryStrategy | None:
    """Return the carry strategy, None without one; InputError when it is not the only strategy."""
    carry = next((strategy for strategy in loaded if isinstance(strategy, CarryStrategy)), None)
    if carry is not None and len(loaded) > 1:
        file, line = carry.place(("family",))
        remedy = "name one file, or put all legs into one"
        raise InputError.one(file, line, "family", "a carry strategy runs alone", remedy)
    return carry


def texts_of(strategies: Sequence[Strategy]) -> dict[str, bytes]:
    """Return strategy files with the options written into them and every file they name, by name in one folder."""
    contents: dict[str, bytes] = {}
    for strategy in strategies:
        if strategy.code is not None:
            contents[strategy.code.file] = strategy.code.source
    gathering = Gathering(contents)
    for name, strategy in zip(strategy_names(strategies), strategies, strict=True):
        gathering.add(name, strategy.file, with_settings(strategy.text, strategy.settings))
    for file in contents:
        gathering.add_code(file)
    return gathering.found


def strategy_names(strategies: Sequence[Strategy]) -> list[str]:
    """Return the names of the strategy files in a run's folder, in the order of the run."""
    if len(strategies) == 1:
        return ["strategy.yaml"]
    return [f"strategy-{strategy.config_hash}.yaml" for strategy in strategies]
