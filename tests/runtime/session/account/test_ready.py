"""For which Reason the step would deny an entry now, by the core's own rule, read without the compiler."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from tightloop.core.domain.enums import Pause, Reason
from tightloop.core.domain.types import INSTANCE, STATE
from tightloop.runtime.session.account.ready import refusal


@pytest.fixture
def states():
    found = np.zeros(1, STATE)
    state = found[0]
    state["equity"] = state["equity_peak"] = state["day_start_equity"] = 5_000.0
    state["limits"]["max_drawdown_pct"] = state["limits"]["daily_loss_pct"] = math.nan
    state["daily_stopped_day"] = -1
    return found


def _set(state, name, value):
    state[name] = value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: None, 0),
        (lambda state: _set(state, "not_ready", 1), Reason.NOT_READY),
        (lambda state: _set(state, "paused", int(Pause.PAUSED)), Reason.PAUSED),
        (lambda state: _set(state, "paused", int(Pause.STOPPING)), Reason.PAUSED),
        (lambda state: _set(state, "killed", 1), Reason.KILLED),
        (lambda state: _set(state["instances"][1], "killed", 1), Reason.KILLED),
        (lambda state: _set(state, "equity", 0.0), Reason.RUINED),
        (lambda state: _set(state, "drawdown_stopped", 1), Reason.MAX_DRAWDOWN),
        (lambda state: _set(state, "daily_stopped_day", 0), Reason.DAILY_LOSS),
    ],
)
def test_the_desk_denies_what_the_step_would(states, change, reason):
    assert states[0]["instances"].dtype == INSTANCE
    change(states[0])
    assert refusal(SimpleNamespace(states=states), 1) == reason


def test_a_kill_switch_of_one_instance_holds_no_other(states):
    states[0]["instances"][1]["killed"] = 1
    assert refusal(SimpleNamespace(states=states), 0) == 0
