"""Live sessions whose strategy enters and leaves when a test moves the price at the twin."""

import json
import time

from tests.app.runs.live.trading import Live, differences

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import control, files
from tightloop.runtime.session.desk.ids import session_code
from tightloop.runtime.session.journal import RecordKind, records

UP, DOWN = 1.045, 0.955
"""What a price is multiplied with: to enter, to leave. The venue refuses orders that are 5 % off its mark."""

STRATEGY = """
name: pushed
family: signal
direction: LONG
instruments: ["binance:BTCUSDT-perp"]
feed: [trades, quotes]
capital: 8_000
variants:
  now: {type: TWPA, t1: 1}
sections:
  S1: {all: [{now: "> 62000"}]}
  O1: {timeout_s: 3}
  Z1:
    immediate: true
    order: {type: market}
    size: {type: fixed, value: 500}
    stop_loss: {type: percent, value: 25}
  ZE1: {all: [{now: "< 58500"}]}
  E1: {all: [{now: "< 1"}]}
limits: {max_hold_min: 10, loss_cooldown_min: 0.03}
costs: {taker_bps: 5, maker_bps: 2}
latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}
"""
NEAR_STOP = (("value: 25}", "value: 2}"), ('"< 58500"', '"< 1"'))
"""For a stop that is reached when the price is back."""


def written(folder, *changes):
    """Write the strategy with replacements; return its path."""
    text = STRATEGY
    for old, new in changes:
        assert old in text, f"{old} is not in the strategy"
        text = text.replace(old, new)
    path = folder / "pushed.yaml"
    path.write_text(text)
    return path


def push(twin, factor, for_s=60.0, symbol="BTCUSDT"):
    """Multiply the price of a symbol for a time, by the twin's clock."""
    twin.ask("fault", {"kind": "price_spike", "symbol": symbol, "value": factor, "for_s": for_s})


class Pushed(Live):
    """A live session that is looked at by its socket, as often as a test likes."""

    def __init__(self, home, twin, file, *options):
        self.twin, self.begun_ns = twin, twin.truth()["now_ns"]
        super().__init__(home, twin.url, *options, file=file)

    def view(self):
        """Return the whole view; {} before the session can be asked."""
        names = Home(self.home).session_names()
        return (control.ask(Home(self.home).socket(names[-1]), {"what": "show"}) if names else None) or {}

    def wait(self, is_reached, within_s=30.0):
        """Return the view once it is as wanted."""
        ends, seen = time.monotonic() + within_s, {}
        while time.monotonic() < ends:
            assert self.process.poll() is None, self.said
            seen = self.view()
            if seen and is_reached(seen):
                return seen
            time.sleep(0.03)
        raise AssertionError([seen, self.said])

    def ready(self):
        """Return the view once entries may be made."""
        return self.wait(lambda shown: shown["state"] == "RUNNING" and shown["is_ready"], 60.0)

    def agreed(self, within_s=20.0):
        """Return the twin's truth and the view once they agree; fail with what differs if they do not in time."""
        ends = time.monotonic() + within_s
        while True:
            shown = self.view()
            truth = self.of_session(self.twin.truth(), shown["id"])
            found = differences(truth, shown)
            if not found:
                return truth, shown
            assert time.monotonic() < ends, [found, shown, self.said]
            time.sleep(0.1)

    def of_session(self, truth, session):
        """Return the twin's truth without orders and fills of sessions before this one."""
        ours = f"tl{session_code(session)}"
        fills = [row for row in truth["fills"] if row["ts_ns"] >= self.begun_ns]
        orders = [row for row in truth["orders"] if row["client_id"][:2] != "tl" or row["client_id"].startswith(ours)]
        return truth | {"fills": fills, "orders": orders}

    def has_said(self, words):
        """Return whether a message has these words."""
        return any(words in line for line in self.said)

    def wait_said(self, words, within_s=30.0):
        """Wait for a message."""
        ends = time.monotonic() + within_s
        while not self.has_said(words):
            assert time.monotonic() < ends, [words, self.view(), self.said]
            assert self.process.poll() is None, self.said
            time.sleep(0.03)

    def asks(self):
        """Return what the session sent to the venue: its ASK records."""
        home = Home(self.home)
        disk = LocalDisk(home.folder(home.session_names()[-1]))
        return [json.loads(one.payload) for one in records(disk, files.JOURNAL) if one.kind == RecordKind.ASK]


def entered(twin, session, symbol="BTCUSDT"):
    """Make a session enter; return the view with the position and its stop. The price stays up until ``release``."""
    push(twin, UP, 600.0, symbol)
    return session.wait(lambda shown: shown["positions"] and any(row["stop_price"] for row in shown["orders"]))


def release(twin, symbol="BTCUSDT"):
    """Let the price be the market's again."""
    push(twin, 1.0, 1.0, symbol)


def is_flat(shown):
    """Return whether a session holds nothing and waits for nothing."""
    return not shown["positions"] and not shown["orders"]


def has_stop(truth):
    """Return whether a stop waits at the twin."""
    return any(row["stop_price"] and row["state"] == "NEW" for row in truth["orders"])


def least_held(truth, symbol="BTCUSDT"):
    """Return the least position that fills of the account have ever made on a symbol."""
    held, least = 0.0, 0.0
    for row in truth["fills"]:
        if row["symbol"] == symbol:
            held = round(held + (row["qty"] if row["side"] == "BUY" else -row["qty"]), 9)
            least = min(least, held)
    return least


def without_reports(twin, session):
    """Keep the private stream away for so long that nothing but look-ups tells of an order."""
    twin.ask("fault", {"kind": "http_5xx", "match": "listenKey", "for_s": 8})
    twin.ask("fault", {"kind": "ws_drop", "count": 1})
    session.wait(lambda shown: shown["sockets"]["reports"] != "open" and shown["sockets"]["public-0"] == "open")
