"""The desk with its inputs: which trades of the venue the books' fills are, and what survives a snapshot."""

import json
import math
from dataclasses import replace

import numpy as np
from tests.runtime.session.desk.toy_venue import LISTED, START_NS, SYMBOL, TERMS

from tightloop.adapters.venues import load
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, Side, TimeInForce
from tightloop.core.domain.types import LOG_ROW
from tightloop.ports.execution import FillOrigin, FillReport, LookUpOrder
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.account import inputs
from tightloop.runtime.session.account.fold import KEYS_KEPT, AccountFold
from tightloop.runtime.session.account.inputs import AccountInput, Compared, InputKind
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import VenueAnswer

DIALECT, _ = load("binance-usdm", None)


def fold():
    return AccountFold(Desk.begin(TERMS, "session-1", 1, (LISTED,)), DIALECT)


def found(trade_id, price):
    """A fill of an earlier life, as a comparison finds it."""
    trade = FillReport(
        "tlx", "v7", trade_id, SYMBOL, Side.BUY, 1.0, price, 0.05, "USDT", False, math.nan, math.nan, FillOrigin.ORDER,
        START_NS,
    )  # fmt: skip
    return trade


def compared(one, trade):
    answer = VenueAnswer(
        EventKind.FILL_FOUND, instrument=0, price=trade.price, qty=1.0, side=1,
        fill_key=one.key_of(SYMBOL, trade.trade_id),
    )  # fmt: skip
    given = Compared((answer,), keys=(answer.fill_key,), trades=(trade,))
    return AccountInput(InputKind.COMPARED, START_NS, 0, given.packed())


def test_a_fill_that_a_comparison_found_has_the_name_of_its_trade():
    one = fold()
    one.apply(compared(one, found("17", 100.0)))
    (trade,) = one.trades
    assert (trade.order_id, trade.symbol, trade.trade_id, trade.client_id) == (0, SYMBOL, "17", "tlx")
    assert one.key_of(SYMBOL, "17") in one.keys
    assert one.key_of(SYMBOL, "17") != one.key_of("OTHER", "17"), "a venue counts trades by symbol"


def test_an_implied_fill_is_known_once_the_venue_has_told_of_all_its_trades():
    one = fold()
    one.apply(compared(one, found("17", 100.0)))
    one.trades[0] = one.trades[0].__class__(0, SYMBOL, "", 100.0, 1.0, "tlx", "v7")
    for trade_id, qty, is_known in (("21", 0.4, False), ("22", 0.6, True)):
        part = found(trade_id, 100.0)
        part = part.__class__(**{**{n: getattr(part, n) for n in part.__dataclass_fields__}, "qty": qty})
        given = Compared(reports=(part,))
        one.apply(AccountInput(InputKind.COMPARED, START_NS, 0, given.packed()))
        assert one.trades[0].is_known is is_known
    assert [part[:2] for part in one.trades[0].parts] == [("21", 0.4), ("22", 0.6)]


def command(order_id, side, *, is_exit=False):
    row = np.zeros(1, LOG_ROW)
    row["kind"], row["order_id"], row["side"], row["qty"] = int(RowKind.SUBMIT), order_id, int(side), 1.0
    row["order_kind"], row["tif"], row["reduce_only"] = int(OrderKind.MARKET), int(TimeInForce.GTC), int(is_exit)
    for name in ("price", "stop_price", "trail_pct", "trail_distance", "arm_price", "value"):
        row[name] = math.nan
    return row.tobytes()


def test_an_implied_fill_has_the_name_of_the_attempt_that_was_filled():
    """The first attempt of an exit is unknown, the second one is on its way: the first was filled."""
    one, now_ns = fold(), START_NS
    one.apply(AccountInput(InputKind.HOLDING, now_ns, 0, inputs.holding_body(1.0, 0.0)))
    (ask,) = one.apply(AccountInput(InputKind.COMMAND, now_ns, 0, command(65_537, Side.SELL, is_exit=True))).asks
    first = ask.request.client_id
    one.apply(AccountInput(InputKind.NO_ANSWER, now_ns, ask.ask_id, b"cut"))
    look_up = None
    while len(one.desk.state.orders[65_537].attempts) < 2:
        now_ns = one.desk.state.next_due_ns
        asks = one.apply(AccountInput(InputKind.TIME, now_ns, 0, b"")).asks
        look_up = next((each for each in asks if isinstance(each.request, LookUpOrder)), look_up)
    said = {
        "orderId": 7, "symbol": SYMBOL, "status": "FILLED", "clientOrderId": first, "price": "0", "avgPrice": "100",
        "origQty": "1", "executedQty": "1", "cumQuote": "100", "timeInForce": "GTC", "type": "MARKET",
        "reduceOnly": True, "side": "SELL", "stopPrice": "0", "time": 1, "updateTime": 1,
    }  # fmt: skip
    body = inputs.reply_body(HttpAnswer(200, {}, json.dumps(said).encode()))
    one.apply(AccountInput(InputKind.REPLY, now_ns, look_up.ask_id, body))
    while not one.trades:
        now_ns = one.desk.state.next_due_ns
        one.apply(AccountInput(InputKind.TIME, now_ns, 0, b""))
    assert [trade.client_id for trade in one.trades] == [first]
    trade = replace(found("21", 100.0), side=Side.SELL, client_id=first, venue_order_id="7", cum_qty=1.0)
    one.apply(AccountInput(InputKind.COMPARED, now_ns, 0, Compared(reports=(trade,)).packed()))
    assert [part[0] for part in one.trades[0].parts] == ["21"]


def test_a_fill_of_ours_that_was_taken_for_one_of_others_ends_its_order():
    """The step has the fill already and ignores it, so it is told the end of the order instead."""
    one = fold()
    (ask,) = one.apply(AccountInput(InputKind.COMMAND, START_NS, 0, command(65_537, Side.BUY))).asks
    trade = replace(found("17", 100.0), client_id=ask.request.client_id, cum_qty=1.0)
    one.apply(compared(one, replace(trade, client_id="")))
    again = AccountFold.load(one.save(), DIALECT)
    *_, answer = again.apply(AccountInput(InputKind.COMPARED, START_NS, 0, Compared(reports=(trade,)).packed())).answers
    assert (answer.kind, answer.order_id, answer.cum_qty) == (EventKind.ORDER_EXPIRED, 65_537, 0.0)
    own = replace(trade, trade_id="18")
    key = again.key_of(SYMBOL, "18")
    first = fold()
    first.apply(AccountInput(InputKind.COMMAND, START_NS, 0, command(65_537, Side.BUY)))
    given = Compared(reports=(own,), keys=(key,))
    *_, answer = first.apply(AccountInput(InputKind.COMPARED, START_NS, 0, given.packed())).answers
    assert answer.kind == EventKind.ORDER_FILLED, "a fill of ours that a comparison passes on is told"


def test_a_snapshot_goes_on_as_if_nothing_had_happened():
    one = fold()
    one.apply(compared(one, found("17", 100.0)))
    asked = one.apply(AccountInput(InputKind.TIME, START_NS + 1, 0, b""))
    assert asked.asks == ()
    again = AccountFold.load(one.save(), DIALECT)
    assert again.save() == one.save()
    assert list(again.trades) == list(one.trades)


def test_inputs_come_back_from_their_payloads_as_they_were():
    answer = HttpAnswer(429, {"retry-after": "3", "x-mbx-used-weight": "1"}, b'{"code":-1003}' + b" " * 400)
    given = AccountInput(InputKind.REPLY, START_NS, 7, inputs.reply_body(answer))
    assert inputs.unpacked(given.packed()) == given
    back = inputs.answer_of(given.body)
    assert (back.status, dict(back.headers), back.body) == (429, {"retry-after": "3"}, answer.body)
    assert json.loads(inputs.Compared().packed()) is not None
    prices = inputs.prices_of(inputs.prices_body(1.0, 2.0, math.nan, 4.0))
    assert (prices["bid"], prices["ask"], prices["mark"], math.isnan(prices["last"])) == (1.0, 2.0, 4.0, True)


def test_a_session_of_days_remembers_the_last_keys_in_their_order():
    one = fold()
    for first in range(1, 3 * KEYS_KEPT, 1_000):
        given = Compared(keys=tuple(range(first, first + 1_000)))
        one.apply(AccountInput(InputKind.COMPARED, START_NS, 0, given.packed()))
    last = first + 999
    assert list(one.keys) == list(range(last - KEYS_KEPT + 1, last + 1))
    again = AccountFold.load(one.save(), DIALECT)
    again.apply(AccountInput(InputKind.COMPARED, START_NS, 0, Compared(keys=(last + 1,)).packed()))
    assert list(again.keys) == list(range(last - KEYS_KEPT + 2, last + 2))


def test_orders_that_earlier_sessions_left_are_remembered_after_a_restart():
    one = fold()
    for elders in (("tlold1",), ("tlold2", "tlold3")):
        one.apply(AccountInput(InputKind.COMPARED, START_NS, 0, Compared(elders=elders).packed()))
    again = AccountFold.load(one.save(), DIALECT)
    assert again.elders == {"tlold1", "tlold2", "tlold3"}
