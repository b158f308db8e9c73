"""A tape that is moved to more room after its oldest rows have gone."""

import numpy as np
from tests.parity import runs

from tightloop.core.domain.ticks import TICK, Clock
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.feeds.ticks import PIECE_ROWS, TickFeed, TickSource
from tightloop.runtime.results.recorder import Recorder

TEXT = """
name: extremes
family: signal
direction: LONG
instruments: ["test:AAAUSDT-perp"]
feed: [trades]
variants: {top: {type: MAX_PRICE, t1: 5}, bottom: {type: MIN_PRICE, t1: 5}}
sections:
  S1: {all: [{top: "> 1e9"}]}
  Z1: {immediate: true, size: {type: fixed, value: 100}}
"""


def test_extremes_go_on_when_a_tape_grows_after_its_first_rows_have_gone():
    """Few ticks at first, so that rows go; then many, so that the window needs more room than there is."""
    strategy = signal_read.loads(TEXT)
    plan = make_plan([strategy], runs.rules_for([strategy]))
    random = np.random.default_rng(1)
    gaps = np.concatenate([np.full(1_500, 10_000_000), np.full(12_000, 500_000)])
    rows = np.zeros(len(gaps), TICK)
    rows["ts_init_ns"] = runs.START_NS + np.cumsum(gaps)
    rows["price"] = 100.0 * np.exp(np.cumsum(random.normal(0.0, 1e-3, len(gaps))))
    rows["qty"], rows["trade_id"] = 1.0, np.arange(1, len(gaps) + 1)
    pieces = (rows[at : at + PIECE_ROWS] for at in range(0, len(rows), PIECE_ROWS))
    feed = TickFeed([(TickSource(0, "trades", pieces), Clock.BOTH)], {}, plan.grids_ns)
    ticks_backtest.run(plan, feed, Recorder())
    window = rows["price"][rows["ts_init_ns"] > rows["ts_init_ns"][-1] - 5_000_000_000]
    found = sorted(plan.arena[int(row["base"])] for row in plan.states[0]["indicators"][:2])
    assert found == [window.min(), window.max()]
    assert int(plan.states[0]["tapes"][0]["capacity"]) > 8_000
