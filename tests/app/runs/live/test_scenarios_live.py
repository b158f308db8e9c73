"""Acceptance scenarios of live trading, against the twin: where hours or minutes would pass, in virtual time."""

import asyncio
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import pytest
from tests.app.runs.live.pushed import UP, Pushed, has_stop, is_flat, least_held, push, without_reports, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.trading import Twin, differences, keys, live_command, show

from tightloop.adapters.stores.home import Home
from tightloop.app.cli import main
from tightloop.app.sandbox import control
from tightloop.ports.transport import HttpAnswer

ONCE = """
class Once:
    def on_start(self, view):
        view.set_timer(4)

    def on_timer(self, view):
        view.set_timer(4)
        if view.position() == 0.0:
            view.buy(notional=500, stop_loss_pct=5)
"""
PAIR = """
class Pair:
    def __init__(self):
        self.asked = self.closed = False
        self.count = 0

    def on_trade(self, view, trade):
        price = view.bid()
        if price > 62_000 and view.position() == 0.0:
            self.count += 1
            if self.count % 5 == 0:
                view.buy(notional=500)
        elif 10_000 < price < 58_500 and view.position() != 0.0 and not self.closed:
            self.closed = True
            view.close()
        elif 3_100 < price < 10_000 and not self.asked:
            self.asked = True
            view.buy(notional=500, type="limit", price=price, ttl_s=60)
"""
BUSY = HttpAnswer(503, {}, b'{"code":-1008,"msg":"Server is currently overloaded with other requests."}')


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def a_class(folder, name, code, instruments):
    """Write a class and the file that names it; return its path."""
    (folder / "code.py").write_text(code)
    file = folder / "code.yaml"
    file.write_text(
        f"name: code\nfamily: python\nclass: code.py:{name}\ninstruments: {instruments}\n"
        "feed: [trades, quotes]\ncapital: 8_000\ncosts: {taker_bps: 5, maker_bps: 2}\n"
        "latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}\n"
    )
    return file


@pytest.mark.parametrize("back_after_s", [25.0, 100.0])
def test_6_a_breaker_holds_what_the_venue_would_not_take_and_sends_it_once(tmp_path, back_after_s):
    file = a_class(tmp_path, "Pair", PAIR, ["binance:BTCUSDT-perp", "binance:ETHUSDT-perp"])
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"])
        market.prices.update(BTCUSDT=58_000.0, ETHUSDT=3_200.0)
        stage.server.answers = dict.fromkeys(("POST order", "GET order", "DELETE order", "GET time"), BUSY)
        await stage.until(lambda _: sum("breaker_opened" in line for line in stage.said) == 2)
        opened_s = stage.world.now_s
        tried = [ask for ask in stage.asks() if "POST /fapi/v1/order" in ask["call"]]
        assert [sum(ask["lane"] == lane for ask in tried[1:]) for lane in ("ENTRY", "EXIT")] == [5, 5]
        await asyncio.sleep(opened_s + back_after_s - stage.world.now_s)
        assert sum("exit_waits" in line for line in stage.said) >= 2
        stage.server.answers = {}
        await stage.until(lambda shown: not shown["positions"], 2.0)
        await asyncio.sleep(10.0)
        probes = [ask["signed_ns"] for ask in stage.asks() if ask["lane"] == "ENTRY" and "/time" in ask["call"]]
        orders = [(row["symbol"], row["side"], row["state"]) for row in stage.truth()["orders"]]
        exits = ("BTCUSDT", "BUY", "FILLED"), ("BTCUSDT", "SELL", "FILLED")
        if back_after_s < 30.0:
            assert len(probes) == 1
            assert orders[:2] == [*exits]
            assert [(row[0], row[1]) for row in orders[2:]] == [("ETHUSDT", "BUY")]
        else:
            assert [round((probe - probes[0]) * 1e-9) for probe in probes] == [0, 30, 60]
            assert orders == [*exits]
        assert stage.view()["unknown"] == []

    Stage(file, market).play(script)


def test_8_a_limit_order_that_fills_in_part_expires_after_its_time(tmp_path):
    stop = "stop_loss: {type: percent, value: 25}"
    file = written(
        tmp_path,
        ("order: {type: market}", "order: {type: limit, ttl_s: 60}"),
        ("fixed, value: 500", "fixed, value: 630"),
        (stop, f"{stop}\n    take_profit: {{type: percent, value: 30}}"),
    )
    market = StillMarket(lots=4)

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        shown = await stage.until(lambda shown: any(row["state"] == "ACCEPTED" for row in shown["orders"]))
        market.prices["BTCUSDT"] = 64_000.0
        market.dips["BTCUSDT"] = shown["orders"][0]["price"] - 0.1  # the ask comes to its price, with four lots
        shown = await stage.until(lambda shown: len(shown["orders"]) == 3 and shown["positions"])
        (entry,) = [row for row in shown["orders"] if row["side"] == "BUY"]
        assert (entry["qty"], entry["cum_qty"]) == (0.01, 0.004)
        begun_s = stage.world.now_s
        shown = await stage.until(lambda shown: all(row["side"] != "BUY" for row in shown["orders"]), 70.0)
        assert 59.0 < stage.world.now_s - begun_s < 62.0
        assert shown["positions"][0]["qty"] == 0.004
        assert sorted(row["type"] for row in shown["orders"]) == ["LIMIT", "STOP"]
        assert {row["qty"] for row in shown["orders"]} == {0.004}
        assert sum(row["qty"] for row in shown["fills"]) == 0.004
        (there,) = [row for row in stage.truth()["orders"] if row["client_id"] == entry["client_id"]]
        assert (there["state"], there["cum_qty"]) == ("CANCELED", 0.004)
        assert stage.truth()["positions"][0]["qty"] == 0.004

    Stage(file, market).play(script)


def test_10_a_feed_that_is_lost_is_found_again_and_a_position_does_not_wait_for_it(tmp_path):
    file = written(tmp_path, ("  E1: {all:", "  E1: {on_stale: {after_s: 15, do: exit}, all:"))
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.is_there, gone_s = False, stage.world.now_s  # sockets stay open and bring nothing
        stage.world.faults.rates["pong_lost"] = 1.0
        await stage.until(lambda shown: not stage.truth()["positions"], 40.0)
        assert 14.9 <= stage.world.now_s - gone_s < 17.0
        market.prices["BTCUSDT"] = 60_000.0
        await asyncio.sleep(gone_s + 45.0 - stage.world.now_s)
        prints = len([call for call in stage.server.calls if call[1] == "GET trades"])
        stage.world.faults.rates.clear()
        stage.server.is_there, back_s = True, stage.world.now_s
        shown = await stage.until(
            lambda shown: set(shown["sockets"].values()) == {"open"} and shown["feed_age_s"] < 1.0, 40.0
        )
        assert stage.world.now_s - back_s <= 31.0 + 10.0
        await asyncio.sleep(10.0)
        shown = stage.view()
        assert (shown["orders"], shown["positions"]) == ([], [])
        assert len([call for call in stage.server.calls if call[1] == "GET trades"]) > prints

    Stage(file, market).play(script)


def test_a_class_that_is_killed_while_its_entry_is_unknown_ends_flat(tmp_path):
    file = a_class(tmp_path, "Once", ONCE, ["binance:BTCUSDT-perp"])

    async def script(stage):
        server = stage.server
        await stage.ready()
        server.answers, server.is_executed, server.is_telling = (
            {"POST order": UNKNOWN, "GET order": UNKNOWN},
            True,
            False,
        )
        shown = await stage.until(lambda shown: shown["unknown"])
        assert shown["positions"] == []
        stage.home.engage("all")
        await stage.until(lambda shown: shown["instances"][0]["killed"])
        assert len(stage.view()["unknown"]) == 1
        assert stage.truth()["positions"][0]["qty"] == 0.008
        server.answers, server.is_telling = {}, True
        await stage.until(lambda shown: shown["fills"] and is_flat(shown))
        assert stage.truth()["positions"] == []
        assert not has_stop(stage.truth())
        orders = len(stage.truth()["orders"])
        await asyncio.sleep(30.0)
        assert len(stage.truth()["orders"]) == orders
        assert least_held(stage.truth()) == 0.0

    Stage(file).play(script)


def test_9_what_others_do_to_a_position_is_found_and_what_is_late_is_not(tmp_path):
    market = StillMarket()

    def found(stage):
        return [line for line in stage.said if any(f"{word}: " in line for word in ("info", "warning", "critical"))]

    async def enter(stage):
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        market.prices["BTCUSDT"] = 60_000.0
        await asyncio.sleep(2.0)

    async def script(stage):
        await stage.ready()
        before = len(found(stage))
        stage.fault(kind="stale_snapshot", for_s=4)
        await enter(stage)
        await asyncio.sleep(20.0)
        assert (len(found(stage)), stage.view()["corrections"][1:]) == (before, [])
        stage.fault(kind="closed_by_hand", count=1)
        await stage.until(lambda shown: is_flat(shown) and any("warning: manual" in line for line in stage.said))
        await enter(stage)
        stage.fault(kind="liquidated", count=1)
        await stage.until(
            lambda shown: not shown["positions"] and any("critical: forced" in line for line in stage.said), 25.0
        )
        await stage.until(lambda _: not has_stop(stage.truth()), 5.0)
        control.position(stage.server.venue, {"symbol": "BTCUSDT", "qty": 0.05})
        await stage.until(lambda shown: shown["foreign"])
        assert stage.view()["foreign"][0]["qty"] == 0.05
        orders = len(stage.truth()["orders"])
        market.prices["BTCUSDT"] = 63_000.0  # 3,150 of others are more than 30 % of the capital
        await asyncio.sleep(10.0)
        assert (len(stage.truth()["orders"]), stage.view()["positions"]) == (orders, [])
        assert stage.view()["is_ready"]

    Stage(written(tmp_path), market).play(script)


def test_13_a_thousand_facts_a_second_lose_no_order_and_no_fill(tmp_path):
    market = StillMarket(step_ns=2_000_000)

    async def script(stage):
        shown = await stage.ready()
        begun, facts, calm = stage.world.now_s, shown["facts"], 0
        while stage.world.now_s < begun + 20.0:
            market.prices["BTCUSDT"] = 63_000.0
            await stage.until(lambda shown: shown["positions"])
            market.prices["BTCUSDT"] = 58_000.0
            await stage.until(is_flat)
            calm += stage.view()["waiting"] < 256
            await asyncio.sleep(2.0)
        shown, truth = stage.view(), stage.truth()
        took_s = stage.world.now_s - begun
        assert shown["facts"] - facts > 0.98 * 1_000 * took_s
        assert shown["conflated"] == 0
        assert calm >= 3
        assert differences(truth, shown) == []
        assert len(truth["fills"]) == 2 * calm

    Stage(written(tmp_path), market).play(script)


def test_7_an_order_whose_answer_is_lost_is_one_order_unknown_and_then_known(tmp_path):
    twin = Twin("1")
    session = Pushed(tmp_path / "h", twin, written(tmp_path))
    try:
        session.ready()
        without_reports(twin, session)
        twin.ask("fault", {"kind": "ack_lost", "match": "POST /fapi/v1/order", "count": 1})
        twin.ask("fault", {"kind": "http_5xx", "match": "GET order", "count": 4})
        push(twin, UP)
        session.wait(lambda shown: shown["unknown"])
        shown = show(session.home)  # the command, while it is
        (client_id,) = shown["unknown"]
        assert shown["positions"] == []
        shown = session.wait(lambda shown: shown["positions"])
        assert shown["unknown"] == []
        truth, shown = session.agreed()
        assert [row["client_id"] for row in truth["orders"]].count(client_id) == 1
        assert [row["client_id"] for row in truth["orders"] if row["side"] == "BUY"] == [client_id]
        assert shown["positions"][0]["qty"] == truth["positions"][0]["qty"] == truth["fills"][0]["qty"]
        assert session.stop("--flatten") == 0
    finally:
        session.kill()
        twin.close()


def _start(command, out):
    """Run a command in this process, and end it with its exit code."""
    os.environ.update(keys())
    with out.open("w") as sys.stdout, Path(os.devnull).open("w") as sys.stderr:
        main.main(command)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="twenty processes that load the product anew take half a minute")
def test_15_of_twenty_starts_at_once_one_runs_and_the_others_name_it(tmp_path):
    twin = Twin("1")
    command = live_command(tmp_path / "h", twin.url, file=written(tmp_path))[3:]
    fork = multiprocessing.get_context("fork")
    started = [fork.Process(target=_start, args=(command, tmp_path / f"{number}")) for number in range(20)]
    for one in started:
        one.start()
    try:
        ends, left = time.monotonic() + 120.0, started
        while len(left) > 1 and time.monotonic() < ends:
            time.sleep(0.1)
            left = [one for one in started if one.is_alive()]
        (runs,) = left
        at = started.index(runs)
        assert [one.exitcode for one in started] == [3] * at + [None] + [3] * (19 - at)
        said = [(tmp_path / f"{number}").read_text().splitlines()[-1] for number in range(20) if number != at]
        (session,) = {json.loads(line)["session"] for line in said}
        assert Home(tmp_path / "h").session_names() == [session]
        runs.terminate()
        runs.join(60)
        assert runs.exitcode == 0
    finally:
        for one in started:
            one.kill()
            one.join()
        twin.close()
