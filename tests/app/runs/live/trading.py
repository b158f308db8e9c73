"""A sandbox and live sessions in processes of their own, and the twin's truth held against what a session shows."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

QUICK = Path(__file__).parent / "quick.yaml"
TIGHTLOOP = (sys.executable, "-m", "tightloop.app.cli.main")
DEADLINE_S = 120.0
ENOUGH = 1e-9


def always_in():
    """Return a strategy that wants a position on each instrument at all times, and never closes one by itself."""
    text = QUICK.read_text(encoding="utf-8")
    for old, new in (
        ('"> slow"', '"> 1"'), ('"< slow"', '"< 1"'), ("value: 0.05}", "value: 50}"), ("value: 0.5}", "value: 20}"),
        ("max_hold_min: 1}", "max_hold_min: 60}"),
    ):  # fmt: skip
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Twin:
    """A sandbox."""

    def __init__(self, speed="10", *options):
        self.process = subprocess.Popen(
            [*TIGHTLOOP, "sandbox", "--venue", "binance-usdm", "--port", "0", "--sample", "pump", "--speed", speed,
             *options], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = iter(self.process.stdout)
        self.url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        self._thread = threading.Thread(target=lambda: [None for _ in lines], daemon=True)
        self._thread.start()

    def ask(self, name, body=None):
        text = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_twin/{name}", text, timeout=10) as answer:
            return json.load(answer)

    def truth(self):
        return self.ask("truth")

    def orders_asked(self):
        """Return the requests that would have made an order."""
        asked = self.ask("requests")
        return [one for one in asked if one["method"] == "POST" and one["path"].endswith(("/order", "/algoOrder"))]

    def close(self):
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdout.close()


def live_command(home, url, *options, file=QUICK):
    files = [str(file)] if isinstance(file, Path) else [str(one) for one in file]
    return [
        *TIGHTLOOP, "live", *files, "--venue", "binance-usdm", "--url", url, "--home", str(home), "--enable-live",
        "--confirm", "TRADE main", "--override-paper", "a test", "--json", *options,
    ]  # fmt: skip


def keys(key="twin", secret="twin-secret"):
    return {**os.environ, "TIGHTLOOP_BINANCE_USDM_KEY": key, "TIGHTLOOP_BINANCE_USDM_SECRET": secret}


class Live:
    """A live session; ``shown`` is what it printed last, ``said`` its messages."""

    def __init__(self, home, url, *options, file=QUICK):
        self.home, self.shown, self.said = home, {}, []
        self.seen_unknown = set()
        self.process = subprocess.Popen(
            live_command(home, url, *options, file=file), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=keys(),
        )  # fmt: skip
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.shown = json.loads(line)
            self.seen_unknown |= set(self.shown.get("unknown", ()))

    def _listen(self):
        for line in self.process.stderr:
            self.said.append(f"{time.monotonic():.3f} {line}".rstrip("\n"))

    def until(self, is_reached, within_s=DEADLINE_S):
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            if self.shown and is_reached(self.shown):
                return self.shown
            assert self.process.poll() is None, self.said
            time.sleep(0.05)
        raise AssertionError([self.shown, self.said])

    def said_at(self, text, within_s=DEADLINE_S):
        """Return when (monotonic s) it first said something, once it has."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            for line in list(self.said):
                if text in line:
                    return float(line.split(" ", 1)[0])
            assert self.process.poll() is None, self.said
            time.sleep(0.01)
        raise AssertionError(["not said", text, self.said])

    def show(self):
        """Return the whole view, by the session's socket."""
        return show(self.home)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        return self.end()

    def stop(self, *options):
        subprocess.run(
            [*TIGHTLOOP, "session", "stop", "last", "--home", str(self.home), *options], check=True, timeout=DEADLINE_S,
            capture_output=True,
        )  # fmt: skip
        return self.end()

    def end(self):
        code = self.process.wait(DEADLINE_S)
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def show(home):
    run = subprocess.run(
        [*TIGHTLOOP, "session", "show", "last", "--home", str(home), "--json"], check=True, timeout=DEADLINE_S,
        capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(run.stdout)


def differences(truth, shown):
    """Return what differs between the twin's truth and a session that has had the account to itself, or with others."""
    found = []

    def compare(what, ours, theirs):
        close = ours == theirs
        if isinstance(ours, float) and isinstance(theirs, (float, int)):
            close = abs(ours - theirs) <= ENOUGH * max(1.0, abs(theirs))
        if not close:
            found.append(f"{what}: ours {ours}, theirs {theirs}")

    compare("wallet", shown["wallet"], truth["wallet"])
    held = {}
    for row in (*shown["positions"], *shown["foreign"]):
        held[row["symbol"]] = held.get(row["symbol"], 0.0) + row["qty"]
    there = {row["symbol"]: row["qty"] for row in truth["positions"]}
    for symbol in held.keys() | there.keys():
        compare(f"position {symbol}", held.get(symbol, 0.0), there.get(symbol, 0.0))
    # Of a stop that was triggered the venue may name the order as it likes; it is the one that the stop tells of.
    sent = {row["actual_order_id"] for row in truth["orders"] if row.get("actual_order_id") and is_ours(row)}
    mine = [row for row in truth["fills"] if is_ours(row) or row["order_id"] in sent]
    by_id = {(row["symbol"], row["trade_id"]): row for row in shown["fills"]}
    compare("fills", len([row for row in shown["fills"] if row["client_id"].startswith(("tl", "auto"))]), len(mine))
    for row in mine:
        ours = by_id.get((row["symbol"], str(row["trade_id"])))
        if ours is None:
            found.append(f"fill {row} is not shown")
            continue
        names = ("symbol", "side", "qty", "price", "fee", "is_maker")
        for name in names if row["order_id"] in sent else ("client_id", *names):
            compare(f"{name} of fill {row['trade_id']}", ours[name], row[name])
    opened = {row["client_id"]: row for row in shown["orders"]}
    resting = {row["client_id"]: row for row in truth["orders"] if row["state"] in ("NEW", "PARTIALLY_FILLED")}
    resting = {name: row for name, row in resting.items() if name.startswith("tl")}
    compare("open orders", sorted(opened), sorted(resting))
    for name in opened.keys() & resting.keys():
        for field in ("symbol", "side", "qty", "reduce_only", "cum_qty"):
            compare(f"{field} of order {name}", opened[name][field], resting[name][field])
    return found


def is_ours(row):
    return row["client_id"].startswith("tl")


def settled(twin, home, within_s=30.0):
    """Return truth and view once they agree; fail with what differs if they do not in time."""
    ends = time.monotonic() + within_s
    while True:
        truth, shown = twin.truth(), show(home)
        found = differences(truth, shown)
        if not found:
            return truth, shown
        assert time.monotonic() < ends, found
        time.sleep(0.5)
