"""The session's order of calls, with a venue that answers at once and with one whose answers have to travel."""

from tests.parity import runs

from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.state import state_hash
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.backtest.one_by_one.loop import Loop
from tightloop.runtime.results.recorder import Recorder

SETTING = runs.Setting.random(*runs.TOGETHER["long_and_short"], seed=21, count=90)


class Noted(bars_one_by_one.SimulatedExecutor):
    """The simulated venue, with notes of who was called."""

    def __init__(self, plan, notes):
        super().__init__(plan)
        self.notes = notes

    def before(self, event):
        self.notes.append(("before", int(event[0]["kind"])))
        return super().before(event)

    def after(self, event):
        self.notes.append(("after", int(event[0]["kind"])))

    def command(self, log, row):
        self.notes.append(("command", int(log[row]["kind"])))
        return super().command(log, row)


class Slow(Noted):
    """Answers commands through the feed, before the next market event."""

    def __init__(self, plan, notes):
        super().__init__(plan, notes)
        self.waiting = []

    def command(self, log, row):
        self.waiting += super().command(log, row)
        return []


class SlowFeed(bars_one_by_one.BarEvents):
    def __init__(self, feed, executor):
        super().__init__(feed)
        self.executor, self.bar = executor, self.event

    def next(self, due_ns):
        if self.executor.waiting:
            self.event = self.executor.waiting.pop(0)
            return False
        self.event = self.bar
        return super().next(due_ns)


def noted(executor_of, feed_of):
    plan, notes = SETTING.plan(), []
    executor = executor_of(plan, notes)
    recorder = Recorder()
    loop = Loop(
        plan, executor, recorder, bars_one_by_one.BarMoments(plan, recorder),
        lambda own: notes.append(("step", int(own.states[0]["seq"]))),
    )  # fmt: skip
    loop.run(feed_of(SETTING.market().feed(plan), executor))
    return plan, notes, recorder


def test_the_executor_sees_an_event_before_the_step_and_after_it_and_then_gets_commands():
    _, notes, _ = noted(Noted, lambda feed, _: bars_one_by_one.BarEvents(feed))
    assert ("command", int(RowKind.SUBMIT)) in notes, "the run trades"
    pending = None
    for what, _ in notes:
        if what == "before":
            assert pending in (None, "after", "step", "command"), "one event at a time"
        if what == "after":
            assert pending == "step", "the step comes between"
        if what == "command":
            assert pending != "before", "no command before a step"
        pending = what


def test_watching_from_outside_gives_the_state_of_the_array_driver():
    plan, _, _ = noted(Noted, lambda feed, _: bars_one_by_one.BarEvents(feed))
    other = SETTING.plan()
    runs.bars_backtest.run(other, SETTING.market().feed(other), Recorder())
    assert state_hash(plan.states, plan.arena) == state_hash(other.states, other.arena)


def test_an_answer_that_travels_comes_from_the_feed_and_is_stepped_alone():
    plan, notes, recorder = noted(Slow, SlowFeed)
    assert recorder.columns(RowKind.FILL)["qty"].size, "orders were answered"
    shown = {kind for what, kind in notes if what in ("before", "after")}
    assert shown <= {EventKind.BAR_OPENED, EventKind.BAR_CLOSED, EventKind.FUNDING_RATE}, "no answer goes to the venue"
    assert int(plan.states[0]["seq"]) == sum(what == "step" for what, _ in notes)
