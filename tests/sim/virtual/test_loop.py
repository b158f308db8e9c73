"""The virtual loop: timers in order and at their times, no real time, no way outside."""

import asyncio
import time

import pytest

from sim.virtual.loop import Deadlock, VirtualLoop
from sim.virtual.machine import SECOND_NS, START_NS, Machine


def run(main, begun_s=0.0):
    loop = VirtualLoop(begun_s)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def test_a_week_passes_at_once_and_timers_end_at_their_times():
    async def main():
        ended = []

        async def sleeper(name, seconds):
            await asyncio.sleep(seconds)
            ended.append((name, asyncio.get_running_loop().time()))

        async with asyncio.TaskGroup() as group:
            for name, seconds in (("week", 604_800), ("blink", 1e-6), ("minute", 60), ("also a minute", 60)):
                group.create_task(sleeper(name, seconds))
        return ended

    begun = time.perf_counter()
    assert run(main()) == [("blink", 1e-6), ("minute", 60), ("also a minute", 60), ("week", 604_800)]
    assert time.perf_counter() - begun < 5


def test_a_timeout_strikes_at_its_time():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.sleep(99)
        return loop.time()

    assert run(main(), begun_s=10.0) == 12.5


def test_waiting_for_what_never_comes_is_a_deadlock():
    async def main():
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop()
    with pytest.raises(Deadlock):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_threads_and_sockets_are_refused():
    async def thread():
        await asyncio.to_thread(print)

    async def socket():
        await asyncio.open_connection("127.0.0.1", 1)

    for main in (thread, socket):
        with pytest.raises(AssertionError, match="a simulation"):
            run(main())


def test_the_wall_clock_may_step_and_the_machine_sleep_while_boottime_counts_what_passed():
    loop = VirtualLoop()
    machine = Machine(lambda: loop.now_s)
    clock = machine.clock()

    async def main():
        await asyncio.sleep(10)
        machine.step_wall(-3_600 * SECOND_NS)
        await asyncio.sleep(10)
        assert clock.now_ns() == START_NS + 20 * SECOND_NS - 10_000_000  # 500 ppm of 20 s: it was not read before
        assert machine.wall_ns() == START_NS + 20 * SECOND_NS - 3_600 * SECOND_NS
        machine.sleep(8 * 3_600 * SECOND_NS)
        assert clock.monotonic_ns() == (21 + 8 * 3_600) * SECOND_NS
        assert asyncio.get_running_loop().time() == 20, "timers do not see the sleep"

    loop.run_until_complete(main())
    loop.close()
