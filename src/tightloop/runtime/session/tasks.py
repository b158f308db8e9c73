"""Tasks of a session by name: what ends in an exception is reported and begun again, none of it in silence.

Theory of operation. ``start`` runs a job, a function that returns a coroutine, until it returns. An exception becomes a
Failure, given to ``on_failure`` at once; then the job is called anew after 1, 2, 4 .. 30 s, each up to a tenth longer,
so that several do not come back in one instant. A job that ran CALM_S without a failure begins at 1 s again. A job
started with ``is_restarted=False`` fails once and stays FAILED: for those whose state is in doubt after an exception.

This file and ``runtime/python/supervise.py`` are where the runtime may catch any Exception: what the jobs raise is not
known here, and a task that dies unseen is the worst of all outcomes. SystemExit and KeyboardInterrupt are not caught:
they end the process. A cancellation that was asked for by ``stop``, or by the loop that ends, passes; one that came
from inside (the job waited for a task that was cancelled) is a failure like any other.

What may surprise: an exception of ``on_failure`` itself is not swallowed either. The task ends with it, ``broken``
resolves to it, and whoever runs the session waits for ``broken`` beside its end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from tightloop.ports.clock import TimeSource

BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 30.0
JITTER = 0.1
CALM_S = 60.0
STOP_S = 10.0
OVER_KEPT = 256  # tasks that are over and still have a state
_SECOND_NS = 1_000_000_000

Job = Callable[[], Awaitable[None]]


class TaskState(IntEnum):
    """Where a task is."""

    RUNNING = 0
    WAITING = 1  # to be begun again
    ENDED = 2  # its job returned
    FAILED = 3  # and is not begun again
    STOPPED = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended a job. ``count``: failures in a row. ``restart_s``: it is called again after so long; None: never."""

    name: str
    error: BaseException
    count: int
    restart_s: float | None


class SupervisedTask:
    """A job under supervision."""

    def __init__(self, name: str, job: Job, *, is_restarted: bool) -> None:
        self.name, self.job, self.is_restarted = name, job, is_restarted
        self.state = TaskState.RUNNING
        self.failure_count = 0  # since it last ran calmly
        self.fault: Exception | None = None  # found from outside
        self.running: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the job runs no more and is not begun again."""
        return self.state in (TaskState.ENDED, TaskState.FAILED, TaskState.STOPPED)


class Tasks:
    """All tasks of a session. ``draw``: the seeded port of randomness, uniform in [0, 1)."""

    def __init__(self, clock: TimeSource, draw: Callable[[], float], on_failure: Callable[[Failure], None]) -> None:
        self._clock, self._draw, self._on_failure = clock, draw, on_failure
        self._tasks: dict[str, SupervisedTask] = {}  # by name, in the order they were started
        self.broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        """Resolves to the exception of a report that failed: from there on failures may be unseen."""

    def __getitem__(self, name: str) -> SupervisedTask:
        return self._tasks[name]

    def names(self) -> list[str]:
        """Return the names of the tasks that are not over, in the order they were started."""
        return [name for name, task in self._tasks.items() if not task.is_over]

    def start(self, name: str, job: Job, *, is_restarted: bool = True) -> SupervisedTask:
        """Run a job as a task. A name may be used again when its task is over."""
        before = self._tasks.get(name)
        assert before is None or before.is_over, f"the task {name} runs already"
        self._tasks.pop(name, None)
        over = [known for known, task in self._tasks.items() if task.is_over]
        for known in over[: max(0, len(over) - OVER_KEPT)]:
            del self._tasks[known]
        task = self._tasks[name] = SupervisedTask(name, job, is_restarted=is_restarted)
        task.running = asyncio.get_running_loop().create_task(self._supervise(task), name=name)
        task.running.add_done_callback(partial(self._on_end, task))
        return task

    async def stop(self, name: str) -> None:
        """Cancel a task and wait until its job has cleaned up.

        A job that does not end within STOP_S is reported as a failure, and left. Stopping what is over does nothing.
        """
        task = self._tasks[name]
        if task.is_over:
            return
        self.cancel(name)
        assert task.running is not None, "it was started"
        await asyncio.wait([task.running], timeout=STOP_S)
        if not task.running.done():
            self._report(task, TimeoutError(f"{name} did not end within {STOP_S:.0f} s of being stopped"), None)

    def cancel(self, name: str) -> None:
        """Cancel a task without waiting for its end. Harmless when it is over."""
        task = self._tasks[name]
        if not task.is_over and task.running is not None:
            task.running.cancel()

    def fail(self, name: str, error: Exception) -> None:
        """Cancel a task for a fault found from outside: it is reported as its failure. Harmless when it is over."""
        task = self._tasks[name]
        if not task.is_over:
            task.fault = error
            self.cancel(name)

    async def stop_all(self) -> None:
        """Stop all tasks, the last one started first."""
        for name in reversed(self.names()):
            await self.stop(name)

    async def wait(self, name: str) -> None:
        """Return when a task is over, whatever ended it."""
        task = self._tasks[name]
        if task.running is not None and not task.running.done():
            await asyncio.wait([task.running])

    async def _supervise(self, task: SupervisedTask) -> None:
        supervision = asyncio.current_task()
        assert supervision is not None, "it runs as a task"
        while True:
            task.state = TaskState.RUNNING
            begun_ns = self._clock.monotonic_ns()
            try:
                await task.job()
            except asyncio.CancelledError as error:
                if supervision.cancelling():
                    raise
                failure: BaseException = error
            except Exception as error:
                failure = error
            else:
                task.state = TaskState.STOPPED if supervision.cancelling() else TaskState.ENDED
                return
            if self._clock.monotonic_ns() - begun_ns >= CALM_S * _SECOND_NS:
                task.failure_count = 0
            task.failure_count += 1
            if supervision.cancelling() or not task.is_restarted:
                task.state = TaskState.FAILED
                self._report(task, failure, None)
                return
            task.state = TaskState.WAITING
            restart_s = self._backoff_s(task.failure_count)
            self._report(task, failure, restart_s)
            await asyncio.sleep(restart_s)

    def _backoff_s(self, failure_count: int) -> float:
        base_s = BACKOFF_MIN_S * 2.0 ** min(failure_count - 1, 10)
        return min(base_s * (1.0 + JITTER * self._draw()), BACKOFF_MAX_S)

    def _report(self, task: SupervisedTask, error: BaseException, restart_s: float | None) -> None:
        self._on_failure(Failure(task.name, error, task.failure_count, restart_s))

    def _on_end(self, task: SupervisedTask, supervision: asyncio.Task[None]) -> None:
        """Note a supervision that did not end by itself: it was cancelled, or ``on_failure`` raised."""
        error = None if supervision.cancelled() else supervision.exception()
        if supervision.cancelled():
            task.state = TaskState.STOPPED
        if task.fault is not None:
            task.state = TaskState.FAILED
            task.failure_count += 1
            try:
                self._report(task, task.fault, None)
            except Exception as failed:
                error = error or failed
        if error is not None:
            task.state = TaskState.FAILED
            if not self.broken.done():
                self.broken.set_result(error)
