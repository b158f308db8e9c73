"""The simulated network: what each class of faults does to a call and to a socket, at the server and at the client."""

import asyncio

import pytest

from sim.virtual.faults import KINDS, NET, Faults
from sim.virtual.lives import Life
from sim.virtual.shop import TIMEOUT_S, Shop, ask
from sim.virtual.world import World
from tightloop.ports.transport import HttpCall, NoAnswer, NotSent, SocketClosed

URL = "wss://shop.test/events"


class Scene:
    """A shop and one life."""

    def __init__(self, rates=None, seed=1):
        self.shop, self.faults = Shop(), Faults(seed, rates)
        self.world = World(self.shop, self.faults)

    def run(self, main):
        life = Life(self.world)
        try:
            return life.run(main).result
        finally:
            life.bury()


async def outcome(life, timeout_s=TIMEOUT_S):
    """Buy once; return what came of it and how long it took."""
    begun_s = life.world.now_s
    try:
        end = "found" if await ask(life, "POST", "x", timeout_s) else "absent"
    except (NoAnswer, NotSent) as error:
        end = type(error).__name__
    return end, life.world.now_s - begun_s


def test_without_faults_a_call_is_executed_and_answered_after_its_travel():
    scene = Scene()
    end, took_s = scene.run(outcome)
    assert end == "found"
    assert 0.004 < took_s < 0.2
    assert scene.shop.bought == ["x"]


def test_the_server_gets_method_path_query_headers_body_and_its_time():
    scene, got = Scene(), []
    scene.shop.respond = lambda *request: got.append(request) or Shop.respond(scene.shop, *request)

    async def main(life):
        await life.transport.call(HttpCall("PUT", f"https://shop.test/a/b?c=d&e={1}", {"X-Key": "k"}, b"body"), 1)

    scene.run(main)
    ((method, path, query, headers, body, now_ns),) = got
    assert (method, path, query, dict(headers), body) == ("PUT", "/a/b", "c=d&e=1", {"X-Key": "k"}, b"body")
    assert 0 < now_ns - scene.world.machine.true_ns() + 10**9 < 10**9


@pytest.mark.parametrize(
    ("kind", "ends", "executed"),
    [
        ("request_lost", {"NoAnswer"}, {0}),
        ("ack_lost", {"NoAnswer"}, {1}),
        ("half_open", {"NoAnswer"}, {0}),
        ("reset", {"NoAnswer"}, {0, 1}),
        ("partial_frame", {"NoAnswer"}, {1}),
        ("dns", {"NotSent"}, {0}),
        ("tls_handshake", {"NotSent"}, {0}),
        ("slow_reply", {"NoAnswer", "found"}, {1}),
    ],
)
def test_what_a_fault_does_to_a_call(kind, ends, executed):
    seen_ends, seen_executed = set(), set()
    for seed in range(30):
        scene = Scene(seed=seed)
        scene.faults.arm(kind)
        end, took_s = scene.run(outcome)
        scene.world.pass_time(10)
        assert scene.faults.hits[kind] == 1
        assert took_s <= TIMEOUT_S + 1e-6
        seen_ends.add(end)
        seen_executed.add(len(scene.shop.bought))
    assert (seen_ends, seen_executed) == (ends, executed)


def test_a_request_that_is_slow_may_be_executed_after_the_caller_has_given_up():
    late = 0
    for seed in range(30):
        scene = Scene(seed=seed)
        scene.faults.arm("slow_reply")
        end, _ = scene.run(outcome)
        before = len(scene.shop.bought)
        scene.world.pass_time(10)
        late += end == "NoAnswer" and before == 0 and scene.shop.bought == ["x"]
    assert late >= 3


def test_a_half_open_connection_loses_every_call_until_one_has_timed_out():
    scene = Scene()

    async def main(life):
        await outcome(life)
        scene.faults.arm("half_open")
        both = await asyncio.gather(outcome(life), outcome(life))
        return [end for end, _ in both], (await outcome(life))[0]

    assert scene.run(main) == (["NoAnswer", "NoAnswer"], "found")
    assert len(scene.shop.bought) == 2


def test_connections_are_kept_so_dns_fails_only_for_new_ones():
    scene = Scene()

    async def main(life):
        await outcome(life)
        scene.faults.arm("dns")
        ends = [(await outcome(life))[0]]
        scene.faults.arm("reset")
        ends += [(await outcome(life))[0], (await outcome(life))[0], (await outcome(life))[0]]
        return ends

    assert scene.run(main) == ["found", "NoAnswer", "NotSent", "found"]


# --- sockets ----------------------------------------------------------------------------------------------------------


async def read(socket, for_s):
    """Return the frames of some seconds, and why the socket ended, if it did."""
    frames = []
    try:
        async with asyncio.timeout(for_s):
            while True:
                frames.append((await socket.receive()).decode())
    except TimeoutError:
        return frames, None
    except SocketClosed as error:
        return frames, str(error)


def after_open(kind, for_s=20.0, send=()):
    """Open a socket, arm a fault, and read."""
    scene = Scene()

    async def main(life):
        socket = await life.transport.open_socket(URL)
        await asyncio.sleep(0.5)
        if kind:
            scene.faults.arm(kind)
        for text in send:
            await socket.send(text)
        return await read(socket, for_s)

    return scene, *scene.run(main)


def test_frames_come_in_order_and_answers_to_ours_between_them():
    scene, frames, end = after_open("", send=("ping 1", "ping 2"))
    assert end is None
    assert [frame for frame in frames if frame.startswith("pong")] == ["pong ping 1", "pong ping 2"]
    ticks = [int(frame.split()[1]) for frame in frames if frame.startswith("tick")]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert len(ticks) >= 20
    scene.world.pass_time(1)
    assert scene.shop.lines == [], "the end of the process closes it"


def test_a_dropped_socket_ends_and_the_server_forgets_it():
    scene, frames, end = after_open("ws_drop")
    assert end == "the connection was lost"
    assert len(frames) <= 3
    assert scene.shop.lines == []


def test_a_silent_socket_brings_only_answers_to_our_frames():
    scene = Scene()

    async def main(life):
        socket = await life.transport.open_socket(URL)
        scene.faults.arm("ws_silent")
        await read(socket, 2)
        await socket.send("ping")
        return await read(socket, 0.9), await read(socket, 200)

    (silent, _), (later, end) = scene.run(main)
    assert silent == ["pong ping"]
    assert any(frame.startswith("tick") for frame in later), "it is not for good"
    assert end is None


def test_a_half_open_socket_is_silent_for_good_and_does_not_end():
    _, frames, end = after_open("half_open", for_s=1_000, send=("ping",))
    assert end is None
    assert len(frames) <= 3


def test_a_lost_answer_to_a_frame_of_ours_leaves_the_others():
    scene, frames, end = after_open("pong_lost", send=("ping 1", "ping 2"))
    assert [frame for frame in frames if frame.startswith("pong")] == ["pong ping 2"]
    assert end is None
    assert scene.faults.hits["pong_lost"] == 1


def test_a_frame_that_is_cut_arrives_so_and_ends_the_socket():
    _, frames, end = after_open("partial_frame")
    assert frames[-1] == "tick 17"
    assert end == "broken off within a frame"


def test_a_socket_that_is_refused_or_cannot_be_made_is_closed():
    scene = Scene()

    async def main(life):
        ends = []
        for kind, url in (("", "wss://shop.test/nothing"), ("dns", URL), ("tls_handshake", URL)):
            if kind:
                scene.faults.arm(kind)
            with pytest.raises(SocketClosed) as caught:
                await life.transport.open_socket(url)
            ends.append(str(caught.value))
        socket = await life.transport.open_socket(URL)
        await socket.close()
        await socket.close()
        with pytest.raises(SocketClosed):
            await socket.send("ping")
        with pytest.raises(SocketClosed):
            await socket.receive()
        return ends

    assert scene.run(main) == ["/nothing was refused", "dns", "tls_handshake"]


# --- faults by seed ---------------------------------------------------------------------------------------------------


def test_rates_are_shares_of_occasions():
    faults = Faults(3, {"ack_lost": 0.1})
    for _ in range(10_000):
        faults.strikes("ack_lost")
        faults.strikes("reset")
    assert 900 < faults.hits["ack_lost"] < 1_100
    assert (faults.hits["reset"], faults.occasions["reset"]) == (0, 10_000)
    faults.end()
    assert not any(faults.strikes("ack_lost") for _ in range(100))


def test_taking_a_class_out_leaves_the_others_as_they_were():
    def struck(rates):
        faults = Faults(3, rates)
        return [faults.first(("request_lost", "ack_lost")) == "ack_lost" for _ in range(1_000)]

    both, one = struck({"ack_lost": 0.2, "request_lost": 0.0}), struck({"ack_lost": 0.2})
    assert both == one
    assert any(one)


def test_seeds_draw_different_swarms_and_every_class_is_in_some():
    swarms = [Faults.swarm(seed).rates for seed in range(200)]
    assert {kind for rates in swarms for kind in rates} == set(KINDS)
    alone = [rates for rates in swarms if list(rates.values()) == [0.5]]
    assert 20 < len(alone) < 60
    assert all(0.01 <= rate <= 0.1 for rates in swarms if rates not in alone for rate in rates.values())
    assert set(NET) < set(KINDS)


def test_a_class_that_does_not_exist_is_refused():
    with pytest.raises(AssertionError, match="typo_lost"):
        Faults(1, {"typo_lost": 0.5})
