"""Tasks of a session: each exception is reported, jobs begin again with growing pauses, and stopping is clean."""

import asyncio
import itertools
import random

import pytest

from sim.virtual.loop import VirtualLoop
from sim.virtual.machine import Machine
from tightloop.runtime.session.tasks import Tasks, TaskState


class Scene:
    """A virtual loop with tasks on it, and what was reported, with its time."""

    def __init__(self, seed=1):
        self.loop = VirtualLoop()
        self.clock = Machine(lambda: self.loop.now_s).clock()
        self.draw = random.Random(seed).random
        self.failures = []

    def run(self, main):
        async def whole():
            self.tasks = Tasks(self.clock, self.draw, self.note)
            return await main(self.tasks)

        try:
            return self.loop.run_until_complete(whole())
        finally:
            self.loop.close()

    def note(self, failure):
        self.failures.append((self.loop.now_s, failure))


def test_a_job_that_raises_is_reported_each_time_and_begins_again_after_1_2_4_to_30_s():
    scene = Scene()
    begun = []

    async def job():
        begun.append(scene.loop.now_s)
        raise ValueError(f"number {len(begun)}")

    async def main(tasks):
        tasks.start("reader", job)
        await asyncio.sleep(200)
        await tasks.stop("reader")
        return tasks["reader"].state

    assert scene.run(main) == TaskState.STOPPED
    pauses = [later - sooner for sooner, later in itertools.pairwise(begun)]
    for pause, base in zip(pauses, (1, 2, 4, 8, 16, 30, 30, 30, 30), strict=False):
        assert base <= pause + 1e-9
        assert pause <= min(base * 1.1, 30) + 1e-9
    assert len(begun) == 11
    assert len({pause % 1 for pause in pauses[:5]}) == 5, "no two with the same jitter"
    assert [failure.count for _, failure in scene.failures] == list(range(1, 12))
    assert [at for at, _ in scene.failures] == begun, "at once"
    assert str(scene.failures[3][1].error) == "number 4"
    assert scene.failures[3][1].name == "reader"
    for (at, failure), again in zip(scene.failures, begun[1:], strict=False):
        assert again == pytest.approx(at + failure.restart_s)


def test_the_same_seed_waits_the_same_time():
    def pauses(seed):
        scene = Scene(seed)

        async def main(tasks):
            tasks.start("reader", job)
            await asyncio.sleep(100)
            await tasks.stop_all()

        async def job():
            raise OSError

        scene.run(main)
        return [failure.restart_s for _, failure in scene.failures]

    assert pauses(7) == pauses(7) != pauses(8)


def test_after_a_minute_without_failure_the_pauses_begin_at_one_second_again():
    scene = Scene()
    runs_s = iter((0, 0, 0, 61, 0))

    async def job():
        await asyncio.sleep(next(runs_s, 1e6))
        raise ValueError

    async def main(tasks):
        tasks.start("reader", job)
        await asyncio.sleep(500)
        await tasks.stop_all()

    scene.run(main)
    assert [failure.count for _, failure in scene.failures] == [1, 2, 3, 1, 2]


def test_a_job_that_is_not_to_be_restarted_fails_once_and_says_so():
    scene = Scene()

    async def job():
        raise AssertionError("the books do not balance")

    async def main(tasks):
        tasks.start("loop", job, is_restarted=False)
        await tasks.wait("loop")
        assert tasks.names() == []
        return tasks["loop"].state

    assert scene.run(main) == TaskState.FAILED
    ((_, failure),) = scene.failures
    assert failure.restart_s is None
    assert "books" in str(failure.error)


def test_a_job_that_returns_has_ended_and_its_name_is_free():
    scene = Scene()

    async def job():
        await asyncio.sleep(1)

    async def main(tasks):
        tasks.start("once", job)
        with pytest.raises(AssertionError, match="once runs already"):
            tasks.start("once", job)
        await tasks.wait("once")
        assert tasks["once"].state == TaskState.ENDED
        tasks.start("once", job)
        assert tasks.names() == ["once"]
        await tasks.stop("once")
        await tasks.stop("once")

    scene.run(main)
    assert scene.failures == []


def test_stopping_lets_a_job_clean_up_and_the_last_one_started_stops_first():
    scene = Scene()
    cleaned = []

    def job_of(name):
        async def job():
            try:
                await asyncio.sleep(1e6)
            finally:
                await asyncio.sleep(1)
                cleaned.append((name, scene.loop.now_s))

        return job

    async def main(tasks):
        for name in ("journal", "socket", "bus"):
            tasks.start(name, job_of(name))
        await asyncio.sleep(5)
        await tasks.stop_all()
        return [tasks[name].state for name in ("journal", "socket", "bus")]

    assert scene.run(main) == [TaskState.STOPPED] * 3
    assert cleaned == [("bus", 6), ("socket", 7), ("journal", 8)]
    assert scene.failures == []


def test_what_fails_while_it_is_being_stopped_is_reported_and_not_begun_again():
    scene = Scene()

    async def job():
        try:
            await asyncio.sleep(1e6)
        finally:
            raise OSError("the last write failed")

    async def main(tasks):
        tasks.start("writer", job)
        await asyncio.sleep(1)
        await tasks.stop("writer")
        await asyncio.sleep(100)
        return tasks["writer"].is_over

    assert scene.run(main)
    ((at, failure),) = scene.failures
    assert at == 1
    assert failure.restart_s is None
    assert "last write" in str(failure.error)


def test_a_job_that_does_not_stop_is_reported_and_does_not_hold_the_others():
    scene = Scene()

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                if scene.loop.now_s > 60:
                    raise

    async def main(tasks):
        tasks.start("stubborn", stubborn)
        await asyncio.sleep(1)
        await tasks.stop_all()
        assert scene.loop.now_s == 11
        await asyncio.sleep(60)
        await tasks.stop_all()

    scene.run(main)
    ((_, failure),) = scene.failures
    assert "did not end within 10 s" in str(failure.error)


def test_a_task_that_waits_to_be_restarted_can_be_stopped():
    scene = Scene()

    async def job():
        raise ValueError

    async def main(tasks):
        tasks.start("reader", job)
        await asyncio.sleep(0.5)
        assert tasks["reader"].state == TaskState.WAITING
        assert tasks.names() == ["reader"]
        await tasks.stop("reader")
        assert scene.loop.now_s == 0.5
        await asyncio.sleep(100)

    scene.run(main)
    assert len(scene.failures) == 1


def test_a_cancellation_from_inside_is_a_failure_and_one_of_the_ending_loop_is_not():
    scene = Scene()

    async def job():
        inner = asyncio.get_running_loop().create_task(asyncio.sleep(1e6))
        inner.cancel()
        await inner

    async def quiet():
        await asyncio.sleep(1e6)

    async def main(tasks):
        tasks.start("inner", job)
        task = tasks.start("quiet", quiet)
        await asyncio.sleep(0.5)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.sleep(100)
        return task.state

    assert scene.run(main) == TaskState.STOPPED
    ((_, failure),) = scene.failures
    assert failure.name == "inner"
    assert isinstance(failure.error, asyncio.CancelledError)


def test_a_report_that_fails_is_not_swallowed():
    scene = Scene()

    def note(failure):
        raise RuntimeError("no channel")

    scene.note = note

    async def job():
        raise ValueError

    async def main(tasks):
        task = tasks.start("reader", job)
        error = await asyncio.wait_for(tasks.broken, 5)
        return task.state, str(error)

    assert scene.run(main) == (TaskState.FAILED, "no channel")


def test_what_ends_the_process_is_not_caught():
    scene = Scene()

    async def job():
        raise SystemExit(3)

    async def main(tasks):
        task = tasks.start("reader", job)
        scene.task = task.running
        await asyncio.sleep(5)

    with pytest.raises(SystemExit):
        scene.run(main)
    assert scene.failures == []
    assert isinstance(scene.task.exception(), SystemExit)
