"""A supervised socket on a clock that jumps: states in order, probes, drops, backoff, and nothing that is forgotten."""

import asyncio
import itertools
import json
import selectors

import pytest

from tightloop.adapters.venues._shared.sockets import SocketState, SocketUse, SupervisedSocket, backoff_words
from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.ports.market_data import FrameAnswer, Print, PublicStream
from tightloop.ports.transport import NoAnswer, SocketClosed

TRADE = b'{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":%d,"p":"1.0","q":"1.0","X":"MARKET","m":true}'
DIALECT = BinanceUsdm()


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer."""

    def __init__(self):
        super().__init__(selectors.DefaultSelector())
        self.now_s = 0.0
        self._poll = self._selector.select
        self._selector.select = self._jump

    def time(self):
        return self.now_s

    def _jump(self, timeout):
        if timeout is None:
            raise AssertionError("nothing is left to happen")
        self.now_s += max(0.0, timeout)
        return self._poll(0)


class LoopClock:
    def now_ns(self):
        return 1_764_000_000 * 10**9 + self.monotonic_ns()

    def monotonic_ns(self):
        return round(asyncio.get_running_loop().time() * 10**9)


class FakeSocket:
    """The venue's end of a connection, as ``script`` has it: an async function of this socket."""

    def __init__(self, script):
        self.sent, self.frames, self.is_closed = [], asyncio.Queue(), False
        self.has_sent = asyncio.Event()
        self.script = asyncio.get_running_loop().create_task(script(self))

    async def send(self, text):
        if self.is_closed:
            raise SocketClosed("gone")
        self.sent.append(json.loads(text))
        self.has_sent.set()

    async def receive(self):
        frame = await self.frames.get()
        if frame is None:
            raise SocketClosed("reset")
        return frame

    async def close(self):
        self.is_closed = True
        self.script.cancel()

    async def answer_all(self, until_s=None):
        """Answer every frame; stop answering after ``until_s``."""
        done = 0
        while True:
            await self.has_sent.wait()
            self.has_sent.clear()
            if until_s is not None and asyncio.get_running_loop().time() >= until_s:
                await asyncio.sleep(10**9)
            for frame in self.sent[done:]:
                self.frames.put_nowait(json.dumps({"result": None, "id": frame["id"]}).encode())
            done = len(self.sent)


class FakeTransport:
    def __init__(self, scripts):
        self.scripts, self.sockets = list(scripts), []

    async def open_socket(self, url):
        script = self.scripts.pop(0) if self.scripts else None
        if script is None:
            raise SocketClosed("refused")
        self.sockets.append(FakeSocket(script))
        return self.sockets[-1]


def watched(scripts, for_s, silence_s=0.0, plan=None, is_quiet=None):
    """Run a supervised socket for ``for_s`` of the loop's time; return (changes, records, transport, plans asked)."""
    changes, records, transport, asked = [], [], FakeTransport(scripts), []

    async def planned():
        asked.append(asyncio.get_running_loop().time())
        if plan is not None:
            return plan(len(asked))
        return DIALECT.market_sockets([PublicStream.TRADES], ["BTCUSDT"])[0]

    async def main():
        use = SocketUse(planned, None, lambda: 0, silence_s, is_quiet)
        socket = SupervisedSocket(
            use, DIALECT, transport, LoopClock(), lambda: 0.5, records.append,
            lambda change: changes.append((asyncio.get_running_loop().time(), change)),
        )  # fmt: skip
        task = asyncio.create_task(socket.run())
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for one in transport.sockets:
            assert one.is_closed

    loop = JumpingLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    return changes, records, transport, asked


def states(changes):
    return [change.state for _, change in changes]


async def obedient(socket):
    await socket.answer_all()


def test_it_connects_subscribes_and_stays_open():
    async def script(socket):
        asyncio.get_running_loop().call_later(5, socket.frames.put_nowait, TRADE % 7)
        await socket.answer_all()

    changes, records, transport, _ = watched([script], 3_600)
    assert states(changes) == [SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.OPEN]
    subscribe, *probes = transport.sockets[0].sent
    assert subscribe["method"] == "SUBSCRIBE"
    assert len(probes) == pytest.approx(3_600 / 15, abs=3)
    assert [one.trade_id for group in records for one in group if isinstance(one, Print)] == [7]
    assert all(isinstance(one, FrameAnswer | Print) for group in records for one in group)


def test_without_a_sign_of_life_it_is_stale_then_dropped_and_opened_again():
    async def script(socket):
        await socket.answer_all(until_s=50)

    changes, _, transport, _ = watched([script, obedient], 200)
    assert states(changes) == [
        SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.OPEN, SocketState.STALE, SocketState.BACKOFF,
        SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.OPEN,
    ]  # fmt: skip
    stale_s, dropped_s, again_s = (changes[index][0] for index in (3, 4, 5))
    assert 60 <= stale_s <= 75
    assert dropped_s - stale_s == pytest.approx(10, abs=0.1)
    assert again_s - dropped_s == pytest.approx(1.05)
    assert transport.sockets[0].is_closed
    assert transport.sockets[1].sent[0]["method"] == "SUBSCRIBE"


def test_a_late_sign_of_life_is_open_again():
    async def script(socket):
        loop = asyncio.get_running_loop()
        loop.call_later(30, socket.frames.put_nowait, TRADE % 1)
        await socket.answer_all(until_s=10)

    changes, _, _, _ = watched([script], 32)
    assert states(changes)[-2:] == [SocketState.STALE, SocketState.OPEN]


def test_a_dead_venue_is_tried_for_ever_ever_more_slowly():
    changes, _, _, asked = watched([], 300)
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits[:6] == pytest.approx([1.05, 2.1, 4.2, 8.4, 16.8, 31.5])
    assert {round(wait, 6) for wait in waits[5:]} == {31.5}
    assert max(change.attempts for _, change in changes) == len(asked)


def test_attempts_begin_again_after_a_connection_that_lasted():
    async def short(socket):
        await asyncio.sleep(60)
        socket.frames.put_nowait(None)
        await asyncio.sleep(10**9)

    async def lasting(socket):
        asyncio.get_running_loop().call_later(60, socket.frames.put_nowait, None)
        await socket.answer_all()

    changes, _, _, _ = watched([None, None, None, lasting, obedient], 300)
    lost = [(at_s, change) for at_s, change in changes if change.reason == "reset"]
    assert len(lost) == 1
    assert lost[0][1].attempts == 1
    assert changes[-1][1].state is SocketState.OPEN


def test_a_socket_that_lives_but_brings_nothing_is_replaced():
    changes, _, _, _ = watched([obedient, obedient], 100, silence_s=60.0)
    dropped = [(at_s, change.reason) for at_s, change in changes if change.state is SocketState.BACKOFF]
    assert [reason for _, reason in dropped] == ["no market data in 60 s"]
    assert 60 <= dropped[0][0] <= 76


@pytest.mark.parametrize(
    ("answers", "dropped_at_s"),
    [([True, True, False], 180), ([False], 60), ([NoAnswer("none")], 60), ([TimeoutError()], 60)],
)
def test_a_quiet_market_is_no_silence_until_the_venue_says_otherwise(answers, dropped_at_s):
    asked = []

    async def is_quiet():
        asked.append(answers[len(asked)])
        if isinstance(asked[-1], Exception):
            raise asked[-1]
        return asked[-1]

    changes, _, _, _ = watched([obedient, obedient], dropped_at_s + 50, silence_s=60.0, is_quiet=is_quiet)
    at_s, change = next(one for one in changes if one[1].state is SocketState.BACKOFF)
    assert change.reason == "no market data in 60 s"
    assert dropped_at_s <= at_s <= dropped_at_s + 50
    assert asked == answers


def test_ten_connections_in_vain_are_critical():
    changes, _, _, _ = watched([], 300)
    said = [backoff_words(change, "reports") for _, change in changes if change.state is SocketState.BACKOFF]
    assert [words.startswith("critical: ") for words in said] == [False] * 9 + [True] * (len(said) - 9)
    assert len(said) > 10
    assert "10 connections in vain" in said[9]


def test_a_socket_is_replaced_before_the_venue_ends_it():
    changes, _, _, _ = watched([obedient, obedient], 86_400)
    dropped = [(at_s, change.reason) for at_s, change in changes if change.state is SocketState.BACKOFF]
    assert [reason for _, reason in dropped] == ["replaced before its age ends it"]
    assert dropped[0][0] < 86_400 - 570


@pytest.mark.parametrize(
    ("frame", "reason"),
    [(b'{"error":{"code":2,"msg":"no such stream"},"id":1}', "subscribing: no such stream"), (None, "reset")],
)
def test_a_refused_subscription_is_told(frame, reason):
    async def script(socket):
        await socket.has_sent.wait()
        socket.frames.put_nowait(frame)
        await asyncio.sleep(10**9)

    changes, _, _, _ = watched([script, obedient], 9)
    assert [change.reason for _, change in changes if change.state is SocketState.BACKOFF] == [reason]


def test_a_subscription_that_is_not_answered_is_not_open():
    async def silent(socket):
        await asyncio.sleep(10**9)

    changes, _, _, _ = watched([silent, obedient], 30)
    assert states(changes)[:4] == [
        SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.BACKOFF, SocketState.CONNECTING,
    ]  # fmt: skip
    assert changes[2][1].reason == "no answer to a frame in 10 s"


def test_a_private_socket_asks_for_its_plan_each_time():
    async def short(socket):
        await asyncio.sleep(1)
        socket.frames.put_nowait(None)
        await asyncio.sleep(10**9)

    keys = []

    def plan(attempt):
        keys.append(f"key{attempt}")
        return DIALECT.reports_socket(keys[-1])

    changes, _, transport, _ = watched([short, obedient], 30, plan=plan)
    assert keys == ["key1", "key2"]
    assert states(changes)[:2] == [SocketState.CONNECTING, SocketState.OPEN]
    assert "key1" not in repr(changes)
    assert len(transport.sockets) == 2


def test_a_frame_that_cannot_be_read_is_handed_on_and_the_socket_stays():
    async def script(socket):
        socket.frames.put_nowait(b'{"e":"trade"}')
        await socket.answer_all()

    changes, records, _, _ = watched([script], 100)
    assert "Malformed" in repr(records)
    assert states(changes)[-1] is SocketState.OPEN


def test_a_fault_of_ours_is_not_swallowed():
    async def main():
        async def script(socket):
            socket.frames.put_nowait(TRADE % 1)
            await asyncio.sleep(10**9)

        async def planned():
            return DIALECT.market_sockets([PublicStream.TRADES], ["BTCUSDT"])[0]

        def broken(records):
            raise ZeroDivisionError

        use = SocketUse(planned, None, lambda: 0)
        transport = FakeTransport([script])
        await SupervisedSocket(use, DIALECT, transport, LoopClock(), lambda: 0.0, broken, lambda change: None).run()

    loop = JumpingLoop()
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(main())
    loop.close()
