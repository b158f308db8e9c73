"""A small venue for tests of the simulation itself, and a client that must buy each thing once, whatever happens.

``Shop`` takes orders by client id and accepts a repeated id, as venues do for ended orders. ``buyer`` writes what it
wants before it asks, looks up what it has no answer to, and begins each life with an epoch that its ids carry.
``bug`` takes one of these promises away.
"""

import asyncio
import json

from tightloop.ports.transport import HttpAnswer, HttpCall, NoAnswer, NotSent, SocketClosed

URL = "https://shop.test"
TIMEOUT_S = 0.3
ARRIVES_WITHIN_S = 1.0  # a slow request travels for up to three timeouts
BUGS = ("resend", "forget", "no_epoch")


class Shop:
    """The server."""

    def __init__(self):
        self.bought = []  # ids, in the order they were executed
        self.lines, self.told, self.frames_made = [], 0, 0
        self._number = 0

    def respond(self, method, path, query, headers, body, now_ns):
        order = query.partition("=")[2]
        if method == "POST":
            self.bought.append(order)
        return HttpAnswer(200, {}, json.dumps({"found": order in self.bought, "at": now_ns}).encode())

    def open(self, path, query, now_ns):
        if path != "/events":
            return None
        self._number += 1
        self.lines.append(self._number)
        return self._number

    def receive(self, line, text, now_ns):
        return f"pong {text}" if text.startswith("ping") else None

    def frames(self, now_ns):
        fresh, self.told = self.bought[self.told :], len(self.bought)
        found = [(line, f"bought {order}") for order in fresh for line in self.lines]
        if now_ns // 1_000_000_000 > self.frames_made:
            self.frames_made = now_ns // 1_000_000_000
            found += [(line, f"tick {self.frames_made}") for line in self.lines]
        return found

    def close(self, line):
        self.lines.remove(line)


async def ask(life, method, order, timeout_s=TIMEOUT_S):
    call = HttpCall(method, f"{URL}/orders?id={order}")
    return json.loads((await life.transport.call(call, timeout_s)).body)["found"]


async def find(life, order):
    """Look an order up until there is an answer."""
    while True:
        try:
            return await ask(life, "GET", order)
        except (NoAnswer, NotSent):
            await asyncio.sleep(0.1)


async def listen(life, frames):
    """Follow the events; reconnect for ever."""
    while True:
        try:
            socket = await life.transport.open_socket(f"wss://shop.test/events?life={life.await_count}")
            while True:
                async with asyncio.timeout(30):
                    frames.append(await socket.receive())
                if frames[-1].startswith(b"tick"):
                    await socket.send("ping")
        except (SocketClosed, TimeoutError):
            await asyncio.sleep(1)


async def buyer(life, notes, want, bug=""):
    """Buy ``want`` things, each once. ``notes`` is what survives: ("epoch",), ("ask", id), ("end", id, done)."""
    listener = asyncio.get_running_loop().create_task(listen(life, []))
    epoch = sum(note[0] == "epoch" for note in notes)
    notes.append(("epoch",))
    last = next((note for note in reversed(notes) if note[0] != "epoch"), ("end",))
    if last[0] == "ask" and bug != "forget":
        await asyncio.sleep(ARRIVES_WITHIN_S)
        notes.append(("end", last[1], await find(life, last[1])))
    number = 0
    while (done := sum(note[0] == "end" and note[2] for note in notes)) < want:
        number += 1
        order = f"e{epoch}n{number}" if bug != "no_epoch" else f"n{number}"
        notes.append(("ask", order))
        try:
            is_done = await ask(life, "POST", order)
        except NotSent:
            is_done = False
        except NoAnswer:
            if bug == "resend":
                is_done = True
                await life.transport.call(HttpCall("POST", f"{URL}/orders?id={order}"), 60)
            else:
                await asyncio.sleep(ARRIVES_WITHIN_S)
                is_done = await find(life, order)
        notes.append(("end", order, is_done))
        await asyncio.sleep(1)
    listener.cancel()
    return done
