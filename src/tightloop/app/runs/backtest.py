"""``tightloop.backtest``: strategies of any family over a catalog or frames, to a finished run.

The command line and notebooks call the same function.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from tightloop.app import runs
from tightloop.app.runs.driving import Progress
from tightloop.app.runs.job import RunOptions
from tightloop.app.runs.run import Run
from tightloop.app.runs.signal import SignalJob
from tightloop.app.runs.strategies import carry_of, load_any, without_carry
from tightloop.model.errors import InputError
from tightloop.model.signal.portfolio import check_files
from tightloop.model.signal.sizes import against_limits


def backtest(
    *strategies: Any,
    data: Any = "data",
    start: str | None = None,
    end: str | None = None,
    account: Any = None,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    on_progress: Progress | None = None,
    on_warning: Callable[[str], None] | None = None,
    one_by_one: bool = False,
    fills: str | None = None,
) -> Run:
    """Run one or more strategies (files, YAML texts) over a catalog or a mapping of frames.

    ``account``: a YAML with the account's limits, or "research". ``on_warning`` is called before the run begins with
    each position size that exceeds those limits. ``one_by_one`` steps one event at a time, as a live session does:
    same results, byte for byte. ``fills="ticks"``: strategies on bars over the recording of a session, as it ran.
    Raises InputError (UnfitDataError for data that the gate refuses), CapacityError, and StrategyError when a
    strategy in Python fails: its ``run`` has the results up to the failure.
    """
    clock = time.process_time
    begun = clock()
    loaded = load_any(strategies, settings=settings, instruments=instruments, account=account)
    options = RunOptions(
        data=data, start=start, end=end, account=account, settings=settings, instruments=instruments, seed=seed,
        accept=accept, on_progress=on_progress, one_by_one=one_by_one, read_s=clock() - begun,
    )  # fmt: skip
    carry = carry_of(loaded)
    if carry is not None:
        return runs.carry.CarryJob(options, carry).make()
    signal = without_carry(loaded)
    check_files(signal)
    if on_warning is not None:
        for problem in against_limits(signal):
            on_warning(str(problem))
    if fills is not None:
        if fills != "ticks":
            raise InputError.one("command line", None, "--fills", f"{fills!r} is no way to fill", "write ticks")
        return runs.live.recorded.RecordedJob(options, signal).make()
    return SignalJob(options, signal).make()
