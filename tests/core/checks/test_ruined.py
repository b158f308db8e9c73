"""The check on ruin, on a State laid out by a plan."""

import pytest

from tightloop.core.checks import all_checks, ruined
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan

HOLD = """
name: hold them
family: hold
direction: LONG
instruments: [test:AAAUSDT-perp]
timeframe: 1m
params: {equity_pct: 1}
"""


@pytest.mark.parametrize(
    ("flag", "equity", "may_go"), [(0, 1e-9, 1), (0, 0.0, 0), (0, -5.0, 0), (1, 100.0, 0), (1, -5.0, 0)]
)
def test_nothing_is_entered_at_no_equity_nor_after_a_record_of_it(flag, equity, may_go):
    strategy = signal_read.loads(HOLD)
    state = make_plan([strategy], {i: default_rules(i) for i in strategy.instruments}).states[0]
    state["ruined"], state["equity"] = flag, equity
    assert ruined.check(state, state["orders"][0], 100.0) == may_go


def test_every_run_asks_it_before_any_limit():
    found = all_checks()
    assert [check.__name__.rpartition(".")[2] for check in found[:4]] == [
        "ready",
        "paused",
        "kill_switch",
        "ruined",
    ]
