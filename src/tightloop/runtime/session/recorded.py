"""A session made again from what it received: its facts through the session's driver, to the tables of a run.

This is how strategies on bars run over a recording: bars close when the session closed them, and orders meet the venue
on ticks, which no driver of plain bars does. Equity is kept at the first fact and at the end of each minute.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from tightloop.core.domain.types import EQUITY, Rows
from tightloop.core.limits import MINUTE_NS
from tightloop.model.signal.plan import Plan
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session.driver.facts import fact_driver

Progress = Callable[[int], None]


def run(plan: Plan, pieces: Iterable[Rows], recorder: Recorder, on_progress: Progress) -> int:
    """Run a plan over facts (pieces of EVENT, in order of ``ts_init_ns``); return their number.

    Raises StrategyError if user code fails. The recorder then has everything up to it, as after a KeyboardInterrupt.
    """
    driver, done, last_ns, kept_ns = fact_driver(plan, recorder.take_log), 0, 0, -1
    equity = np.zeros(1, EQUITY)
    state = plan.states[0]

    def keep() -> None:
        nonlocal kept_ns
        if int(state["ts_ns"]) == kept_ns:
            return
        kept_ns = int(state["ts_ns"])
        equity["ts_ns"], equity["equity"] = state["ts_ns"], state["equity"]
        equity["cash"] = state["equity"] - state["unrealized"]
        recorder.take_equity(equity.copy(), 1)

    try:
        for piece in pieces:
            minutes = (piece["ts_init_ns"] - 1) // MINUTE_NS
            cuts = [0, *(np.flatnonzero(np.diff(minutes)) + 1).tolist(), len(piece)]
            for first, end in itertools.pairwise(cuts):
                if last_ns and (last_ns - 1) // MINUTE_NS != int(minutes[first]):
                    keep()
                driver.take(piece, first, end - first)
                if driver.failure is not None:
                    raise driver.failure
                if not last_ns:
                    keep()
                last_ns = int(piece[end - 1]["ts_init_ns"])
            done += len(piece)
            on_progress(done)
        driver.advance_to(last_ns + 1)
    finally:
        driver.close()
        keep()
    return done
