"""Lives of a process over one world: each is a new loop, and may be killed at its k-th await.

Theory of operation. Every task of a life runs through ``Counted``, which counts its steps: what a coroutine does
between two awaits. At the k-th the process dies: ``Killed`` leaves the loop at once, the coroutine is not gone on with,
and no ``finally`` and no handler of its runs, as none does when a process is killed. What finds its death within a step
(a disk at its n-th write) raises an exception of ``fatal``, and from then on answers True to ``is_stopped``: handlers
may run while the exception leaves the step, but nothing of them reaches the network any more.

What may surprise: coroutines that Python forgets are closed, which would run what a kill does not. So the dead are kept
until ``bury``, when the seed is over and nothing they do matters.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sim.virtual.loop import VirtualLoop
from sim.virtual.transport import SimulatedTransport
from sim.virtual.world import World

Result = TypeVar("Result")


class Killed(SystemExit):
    """The process has died here. asyncio lets a SystemExit out of a task at once, past all other tasks."""


class Overdue(Exception):
    """A life took longer than it may."""


@dataclass(frozen=True)
class Over(Generic[Result]):
    """How a life ended. ``result`` is None when it was killed."""

    is_killed: bool
    result: Result | None
    await_count: int


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are counted."""

    def __init__(self, life: "Life", inner: Coroutine[Any, Any, Any]) -> None:
        self.inner, self._life = inner, life

    def send(self, value: Any) -> Any:
        return self._life.step(self.inner.send, value)

    def throw(self, *error: Any) -> Any:
        return self._life.step(self.inner.throw, *error)

    def close(self) -> None:
        self.inner.close()

    def __await__(self) -> Any:
        return self

    @property
    def cr_code(self) -> Any:
        return self.inner.cr_code

    @property
    def cr_frame(self) -> Any:
        return self.inner.cr_frame

    @property
    def cr_running(self) -> bool:
        return bool(self.inner.cr_running)


class Life:
    """One process. ``dies_at``: the await at which it is killed, from 1; None: it is not. ``fatal``: what kills it too.

    ``is_stopped`` is asked after each step and before anything is sent: True when something else has killed it.
    """

    def __init__(
        self,
        world: World,
        dies_at: int | None = None,
        fatal: tuple[type[BaseException], ...] = (),
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.world, self.dies_at, self._fatal, self._is_stopped = world, dies_at, fatal, is_stopped
        self.loop = VirtualLoop(world.now_s)
        self.loop.set_task_factory(self._make_task)
        self.clock = world.machine.clock()
        self.transport = SimulatedTransport(world, is_stopped)
        self.await_count = 0
        self.is_dead = False
        self._tasks: dict[asyncio.Task[Any], Counted] = {}  # that are not done, in the order they were made

    def run(self, main: Callable[["Life"], Coroutine[Any, Any, Result]], limit_s: float = 86_400.0) -> Over[Result]:
        """Live until ``main`` returns or the process dies. Raises what ``main`` raises, and Overdue."""
        self.world.attach(self.loop)
        overdue = self.loop.call_later(limit_s, self.loop.stop)
        try:
            result = self.loop.run_until_complete(main(self))
        except (Killed, *self._fatal):
            self.world.note(f"killed at await {self.await_count}")
            return Over(is_killed=True, result=None, await_count=self.await_count)
        except RuntimeError as error:
            if "Event loop stopped before Future completed" not in str(error):
                raise
            raise Overdue(f"not done after {limit_s:g} s: {self._waiting()}") from error
        else:
            overdue.cancel()
            self._end_tasks()
            return Over(is_killed=False, result=result, await_count=self.await_count)
        finally:
            self.die()
            self.world.detach()

    def step(self, resume: Callable[..., Any], *arguments: Any) -> Any:
        """Go on with a task, or die instead."""
        if self.is_dead:
            raise Killed
        self.await_count += 1
        if self.await_count == self.dies_at:
            self.die()
            raise Killed
        try:
            return resume(*arguments)
        except self._fatal:
            self.die()
            raise Killed from None
        finally:
            if not self.is_dead and self._is_stopped():
                self.die()
                raise Killed  # instead of what the step returned or raised

    def die(self) -> None:
        """Cut the process off from the world."""
        if not self.is_dead:
            self.is_dead = True
            self.transport.die()

    def bury(self) -> None:
        """Let Python have what was kept of the dead. Call it when the seed is over."""
        for task, counted in self._tasks.items():
            task._log_destroy_pending = False
            if task.done() and not task.cancelled():
                task.exception()
            try:
                counted.close()
            except BaseException:  # what a handler of a dead process raises concerns no one
                pass
        self._tasks.clear()
        self.loop.close()

    def _make_task(self, loop: asyncio.AbstractEventLoop, inner: Any, **options: Any) -> asyncio.Task[Any]:
        counted = Counted(self, inner)
        task = asyncio.Task(counted, loop=loop, **options)
        self._tasks[task] = counted
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def _end_tasks(self) -> None:
        """Cancel what still runs, the last one made first, as the end of a process does."""
        for task in reversed(list(self._tasks)):
            task.cancel()
        left = list(self._tasks)
        if left:
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    def _waiting(self) -> str:
        return ", ".join(task.get_name() for task in self._tasks) or "nothing"
