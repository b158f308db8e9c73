"""The time of a process: it goes on by the monotonic clock, whatever becomes of the wall clock."""

import time

from hypothesis import given
from hypothesis import strategies as st

from tightloop.adapters.system.clock import SystemClock, boottime_clock

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
START_NS = 1_767_225_600 * SECOND_NS


class Machine:
    """Two raw clocks: what passes moves both, a step the wall clock alone."""

    def __init__(self) -> None:
        self.wall_ns, self.boottime_ns = START_NS, 77 * SECOND_NS
        self.clock = SystemClock(lambda: self.wall_ns, lambda: self.boottime_ns)

    def wait(self, ns: int, drift_ppm: int = 0) -> int:
        self.boottime_ns += ns
        self.wall_ns += ns + ns * drift_ppm // 1_000_000
        return self.clock.now_ns()


def test_it_begins_at_the_wall_clock_and_goes_on_by_the_monotonic_one():
    machine = Machine()
    assert machine.clock.now_ns() == START_NS
    assert machine.wait(SECOND_NS) == START_NS + SECOND_NS
    assert machine.clock.monotonic_ns() == 78 * SECOND_NS


def test_a_step_of_the_wall_clock_moves_it_by_500_ppm_of_what_passes_and_no_more():
    for step_ns, direction in ((HOUR_NS, 1), (-HOUR_NS, -1)):
        machine = Machine()
        machine.wall_ns += step_ns
        assert machine.clock.now_ns() == START_NS, "the step itself moves nothing: no timer fires, none waits for it"
        assert machine.clock.monotonic_ns() == 77 * SECOND_NS
        assert machine.wait(10 * SECOND_NS) == START_NS + 10 * SECOND_NS + direction * 5_000_000


def test_after_a_step_it_reaches_the_wall_clock_and_stays_there():
    for step_ns in (SECOND_NS, -SECOND_NS):
        machine = Machine()
        machine.wall_ns += step_ns
        machine.wait(1_999 * SECOND_NS)
        assert machine.clock.now_ns() != machine.wall_ns
        machine.wait(2 * SECOND_NS)
        assert machine.clock.now_ns() == machine.wall_ns
        assert machine.wait(SECOND_NS) == machine.wall_ns


def test_the_lean_is_the_same_however_often_the_time_is_read():
    often, seldom = Machine(), Machine()
    for machine in (often, seldom):
        machine.wall_ns += HOUR_NS
    for _ in range(10_000):
        often.wait(1_000)
    assert often.clock.now_ns() == seldom.wait(10_000 * 1_000) == START_NS + 10_000_000 + 5_000


def test_what_was_not_needed_of_the_lean_is_not_saved_up():
    machine = Machine()
    machine.wait(HOUR_NS)
    machine.wall_ns += SECOND_NS
    assert machine.clock.now_ns() == START_NS + HOUR_NS


def test_a_wall_clock_that_drifts_less_than_the_lean_is_followed():
    machine = Machine()
    for _ in range(100):
        assert machine.wait(SECOND_NS, drift_ppm=-200) == machine.wall_ns


def test_sleep_of_the_machine_is_time_that_passed():
    machine = Machine()
    assert machine.wait(8 * HOUR_NS) == START_NS + 8 * HOUR_NS


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.integers(0, 10 * SECOND_NS)),
            st.tuples(st.just("step"), st.integers(-HOUR_NS, HOUR_NS)),
        )
    )
)
def test_it_never_goes_back_and_passes_as_fast_as_time_but_for_500_ppm(moves):
    machine = Machine()
    before_ns, passed_ns = machine.clock.now_ns(), 0
    for what, ns in moves:
        if what == "step":
            machine.wall_ns += ns
            now_ns = machine.clock.now_ns()
        else:
            now_ns, passed_ns = machine.wait(ns), passed_ns + ns
        assert now_ns >= before_ns
        before_ns = now_ns
    assert abs(before_ns - START_NS - passed_ns) <= passed_ns * 500 // 1_000_000 + 1


def test_the_clocks_of_this_machine_tell_its_time():
    clock = SystemClock()
    assert abs(clock.now_ns() - time.time_ns()) < SECOND_NS
    first_ns = clock.monotonic_ns()
    time.sleep(0.01)
    assert clock.monotonic_ns() - first_ns >= 10_000_000
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(boottime_clock()() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < SECOND_NS


def test_a_kernel_without_the_clock_falls_back_to_the_next_one(monkeypatch):
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 9_999, raising=False)
    assert abs(boottime_clock()() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)) < SECOND_NS
