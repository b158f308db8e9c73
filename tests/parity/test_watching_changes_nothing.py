"""A run that is watched is the run that was not, for every kind of order, protection, size and machine there is.

The probe asserts at every evaluation that a section came out as the step saw it, so this also holds what it says of
states and verdicts to every way in which a state can change.
"""

import pytest
from tests.parity import runs

from tightloop.core.state import check_invariants, state_hash
from tightloop.runtime.observe.signal import watch

EVERY_KIND = {name: (text,) for name, text in runs.KINDS.items()} | runs.TOGETHER


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_watched_run_ends_in_the_state_of_one_that_is_not(name):
    setting = runs.Setting.random(*EVERY_KIND[name], seed=4, count=900)
    plan = setting.plan()
    seen = watch(plan, setting.market().feed(plan))
    check_invariants(plan.states[0])
    assert state_hash(plan.states, plan.arena) == setting.run().state_hash
    evaluations = {int(own["in_state"].sum()) for own in seen.instances}
    assert min(evaluations) > 0, "every instance was evaluated"
