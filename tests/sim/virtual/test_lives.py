"""Lives: a killed process does nothing more, the world goes on, and the same seed is the same run."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.virtual.faults import NET, Faults
from sim.virtual.lives import Killed, Life, Overdue
from sim.virtual.shop import BUGS, Shop, ask, buyer
from sim.virtual.world import World

ROOT = Path(__file__).resolve().parents[3]
WANT = 10
DEATHS_MAX = 6


def live_through(seed, bug=""):
    """Let the buyer buy with faults and deaths by seed, then without; return world, shop and what it believes."""
    shop, faults = Shop(), Faults.swarm(seed)
    world, notes, lives = World(shop, faults), [], []
    world.disturb_clocks()
    deaths = iter([round(faults.amount("reset", 1, 120)) for _ in range(seed % (DEATHS_MAX + 1))])
    while True:
        dies_at = next(deaths, None)
        if dies_at is None:
            faults.end()
        life = Life(world, dies_at)
        lives.append(life)
        try:
            over = life.run(lambda life: buyer(life, notes, WANT, bug), limit_s=3_600)
        except Exception as error:
            world.note(f"failed: {error!r}")
            break
        if not over.is_killed:
            break
        world.pass_time(faults.amount("reset", 0.1, 5.0))
    world.pass_time(10)
    for life in lives:
        life.bury()
    return world, shop, sum(note[0] == "end" and note[2] for note in notes)


def is_right(seed, bug=""):
    """Whether everything was bought once, and the buyer knows it."""
    _, shop, believed = live_through(seed, bug)
    return believed == WANT and len(shop.bought) == len(set(shop.bought)) == WANT


def test_whatever_befalls_it_the_careful_buyer_buys_each_thing_once():
    assert [seed for seed in range(60) if not is_right(seed)] == []


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_by_some_seeds(bug):
    assert sum(not is_right(seed, bug) for seed in range(60)) >= 3


def test_every_class_of_the_network_strikes_in_some_seeds():
    hits = dict.fromkeys(NET, 0)
    for seed in range(60):
        world, _, _ = live_through(seed)
        for kind in NET:
            hits[kind] += world.faults.hits[kind] > 0
    assert [kind for kind, count in hits.items() if count < 3] == []


def test_the_same_seed_is_the_same_run_and_another_is_not():
    first, again, other = (live_through(seed)[0].trace.hexdigest() for seed in (11, 11, 12))
    assert first == again != other


def test_traces_are_equal_under_two_hash_seeds():
    code = (
        "from tests.sim.virtual.test_lives import live_through\n"
        "print(*(live_through(seed)[0].trace.hexdigest() for seed in range(12)))"
    )
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "tests", ROOT / "src"))
    printed = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert done.stderr == ""
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert len(set(printed[0].split())) == 12


def test_a_process_can_be_killed_at_every_await_and_then_no_more_of_it_runs():
    def run(dies_at):
        steps, world = [], World(Shop(), Faults(1))
        life = Life(world, dies_at)

        async def main(life):
            for number in range(5):
                steps.append(number)
                try:
                    await asyncio.sleep(1)
                finally:
                    if life.is_dead:
                        steps.append("finally")
            return "done"

        over = life.run(main)
        noted = list(steps)
        life.bury()
        return over, noted

    whole, steps = run(None)
    assert (whole.is_killed, whole.result, steps) == (False, "done", [0, 1, 2, 3, 4])
    for dies_at in range(1, whole.await_count + 1):
        over, steps = run(dies_at)
        assert (over.is_killed, over.result, over.await_count) == (True, None, dies_at)
        assert steps == list(range(dies_at - 1))
    assert not run(whole.await_count + 1)[0].is_killed


def test_the_other_tasks_of_a_killed_process_die_in_the_same_instant():
    world, ticks = World(Shop(), Faults(1)), []
    life = Life(world, dies_at=9)

    async def tick():
        while True:
            ticks.append(world.now_s)
            await asyncio.sleep(1)

    async def main(life):
        ticking = [asyncio.ensure_future(tick()) for _ in range(3)]
        await asyncio.sleep(100)
        return ticking

    assert life.run(main).is_killed
    count = len(ticks)
    world.pass_time(100)
    assert count == len(ticks) == 7
    life.bury()


def test_a_request_on_its_way_is_executed_after_its_process_has_died():
    shop = Shop()
    world = World(shop, Faults(1))

    async def main(life):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(life, "POST", "x"), 0.12)  # connected after 0.1 s, at the server after 0.15
        raise Killed

    async def slow(life):
        world.faults.latency_s = lambda: 0.05
        return await main(life)

    life = Life(world)
    assert life.run(slow).is_killed
    assert shop.bought == []
    world.pass_time(1)
    assert shop.bought == ["x"]
    life.bury()


def test_an_answer_to_a_dead_process_goes_nowhere_and_its_sockets_close():
    shop = Shop()
    world = World(shop, Faults(1))

    async def main(life):
        await life.transport.open_socket("wss://shop.test/events")
        await asyncio.sleep(10)
        assert len(shop.lines) == 1
        await asyncio.sleep(1_000)

    first = Life(world, dies_at=4)
    assert first.run(main).is_killed
    world.pass_time(1)
    assert shop.lines == []
    second = Life(world)
    assert second.run(lambda life: ask(life, "POST", "y")).result
    for life in (first, second):
        life.bury()


class Stopped(BaseException):
    """What a disk raises at the write before which the process dies."""


def test_an_exception_that_kills_the_process_kills_all_of_it_and_nothing_its_handlers_send_arrives():
    shop = Shop()
    world, after, stopped = World(shop, Faults(1)), [], []
    life = Life(world, fatal=(Stopped,), is_stopped=lambda: bool(stopped))

    async def writer(life):
        await ask(life, "POST", "before")
        socket = await life.transport.open_socket("wss://shop.test/events")
        shop.receive = lambda line, text, now_ns: after.append(text)
        try:
            stopped.append(True)
            raise Stopped
        finally:
            await socket.send("from a handler")
            await ask(life, "POST", "from a handler")

    async def main(life):
        await asyncio.ensure_future(writer(life))
        after.append("main")

    assert life.run(main).is_killed
    world.pass_time(10)
    assert (shop.bought, after) == (["before"], [])
    life.bury()


def test_an_exception_that_kills_the_process_is_enough():
    life = Life(World(Shop(), Faults(1)), fatal=(Stopped,))

    async def main(life):
        try:
            raise Stopped
        except Exception:
            pytest.fail("no handler of an error goes on")

    assert life.run(main).is_killed
    life.bury()


def test_what_stops_a_process_from_outside_is_asked_after_each_step():
    world, stopped = World(Shop(), Faults(1)), []
    life = Life(world, is_stopped=lambda: bool(stopped))

    async def main(life):
        try:
            stopped.append("at this write")
        finally:
            await asyncio.sleep(1)
        stopped.append("never")

    assert life.run(main).is_killed
    assert stopped == ["at this write"]
    life.bury()


def test_time_goes_on_from_life_to_life():
    world = World(Shop(), Faults(1))
    times = []

    async def main(life):
        times.append((life.loop.time(), life.clock.now_ns() - world.machine.true_ns()))
        await asyncio.sleep(10)

    for _ in range(3):
        life = Life(world)
        life.run(main)
        life.bury()
        world.pass_time(5)
    assert times == [(0, 0), (15, 0), (30, 0)]


def test_a_life_that_takes_too_long_or_waits_for_nothing_is_overdue_and_names_its_tasks():
    async def for_ever(life):
        for _ in range(1_000):
            await asyncio.sleep(1)

    async def for_nothing(life):
        await asyncio.get_running_loop().create_future()

    for main in (for_ever, for_nothing):
        life = Life(World(Shop(), Faults(1)))
        with pytest.raises(Overdue, match=r"not done after 60 s: \w"):
            life.run(main, limit_s=60)
        life.bury()


def test_an_exception_of_the_process_comes_out():
    async def main(life):
        raise ValueError("a bug")

    life = Life(World(Shop(), Faults(1)))
    with pytest.raises(ValueError, match="a bug"):
        life.run(main)
    life.bury()
