"""Orders, fills and positions of the read model, from rows as the step writes them."""

import math

import numpy as np
import pytest

from tightloop.core.domain.enums import OrderKind, OrderState, Reason, Role, RowKind, TimeInForce
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.read_model.trading import ENDED_KEPT, TradingRows

SIZE = 0.1  # base units a contract


class Names:
    """Of one instance on one instrument."""

    sizes = (SIZE,)

    class plan:  # noqa: N801 - an attribute
        settle_asset = "USDT"

    def of(self, _row):
        return {"instance": 0, "strategy": "fader", "instrument": "binance:BTCUSDT-perp"}

    def signal(self, _row):
        return "sig_1"

    def order(self, row):
        return f"{int(row['order_id'])}"


def row(kind, **values):
    found = np.zeros(1, LOG_ROW)[0]
    for name in LOG_ROW.names:
        if LOG_ROW[name].kind == "f":
            found[name] = math.nan
    found["kind"] = int(kind)
    for name, value in values.items():
        found[name] = value
    return found


def order(number, state, *, kind=RowKind.ORDER, side=1, role=Role.ENTRY, qty=10.0, ts_ns=5, **values):
    return row(
        kind, order_id=number, code=int(state), side=side, role=int(role), qty=qty, threshold=0.0, ts_ns=ts_ns,
        order_kind=int(OrderKind.MARKET), tif=int(TimeInForce.GTC), leverage=3.0, **values,
    )  # fmt: skip


def fill(number, trade_id, side, qty, price, *, step=1, role=Role.ENTRY, fee=0.5):
    return row(
        RowKind.FILL, order_id=number, slot=trade_id, side=side, qty=qty, price=price, fee=fee, slippage=0.0,
        role=int(role), seq=step, entry_ns=5, ts_ns=6,
    )  # fmt: skip


def trade(trade_id, side, qty, *, step, role=Role.ZE1):
    return row(
        RowKind.TRADE, slot=trade_id, side=side, qty=qty, price=100.0, exit_price=110.0, pnl=9.0, fee=1.0, funding=0.0,
        slippage=0.0, role=int(role), seq=step, entry_ns=5, exit_ns=9,
    )  # fmt: skip


class Told:
    """Takes rows; keeps the last of each key."""

    def __init__(self):
        self.trading, self.seq, self.tables = TradingRows(Names()), 0, {}

    def take(self, *rows):
        self.seq += 1
        for n, one in enumerate(rows):
            kind = int(one["kind"])
            if kind == RowKind.FILL:
                made = self.trading.fill(one, self.seq)
            elif kind == RowKind.TRADE:
                made = [self.trading.trade(one, self.seq)]
            else:
                made = self.trading.order(one, self.seq, n)
            keys = {"orders": "order_id", "fills": "fill_id", "positions": "trade_id", "denials": "seq"}
            for each in made:
                assert not any(isinstance(value, float) and value != value for value in each.values.values())
                self.tables.setdefault(each.table, {})[each.values[keys[each.table]]] = each.values

    def of(self, table, key):
        return self.tables[table][key]


@pytest.fixture
def told():
    told = Told()
    told.take(order(1, OrderState.SUBMITTED, kind=RowKind.SUBMIT))
    return told


def test_an_order_is_unknown_until_it_is_not(told):
    told.take(order(1, OrderState.IN_FLIGHT, ts_ns=7))
    told.take(order(1, OrderState.IN_FLIGHT, ts_ns=8))
    assert told.of("orders", "0-1")["unknown_since_ts"] == 7
    told.take(order(1, OrderState.ACCEPTED, ts_ns=9))
    assert (told.of("orders", "0-1")["unknown_since_ts"], told.of("orders", "0-1")["acked_ts"]) == (None, 9)


def test_a_denied_order_is_an_order_and_a_denial_with_its_meaning(told):
    told.take(order(2, OrderState.DENIED, reason=int(Reason.MAX_POSITION)))
    assert told.of("orders", "0-2")["state"] == "DENIED"
    (denial,) = told.tables["denials"].values()
    assert denial["reason"] == "max_position"
    assert "max_position_pct" in denial["text"]
    assert denial["asked"] == pytest.approx(1.0)


def test_a_position_is_the_average_of_its_fills_in_base_units_and_ends_with_its_trade(told):
    told.take(fill(1, 7, 1, 10.0, 100.0))
    told.take(fill(1, 7, 1, 10.0, 102.0))
    position = told.of("positions", 7)
    assert (position["qty"], position["entry_price"], position["leverage"]) == (pytest.approx(2.0), 101.0, 3.0)
    assert position["fees"] == told.of("orders", "0-1")["fees"] == 1.0
    told.take(fill(2, 7, -1, 5.0, 105.0, role=Role.TAKE_PROFIT))
    assert told.of("positions", 7)["qty"] == pytest.approx(1.5)
    assert told.of("positions", 7)["realized"] == pytest.approx(4.0 * 0.5)
    told.take(trade(7, 1, 20.0, step=9), fill(3, 7, -1, 15.0, 110.0, step=9, role=Role.ZE1))
    position = told.of("positions", 7)
    assert (position["status"], position["exit_reason"], position["qty"]) == ("closed", "ZE1", 0.0)
    assert position["realized"] == pytest.approx(10.0)
    assert position["exit_qty"] == pytest.approx(2.0), "its last fill is not booked again"
    assert len(told.tables["fills"]) == 4


def test_a_fill_beyond_flat_begins_the_next_position_with_what_is_left_of_it(told):
    told.take(fill(1, 7, 1, 10.0, 100.0))
    told.take(trade(7, 1, 10.0, step=4), fill(2, 8, -1, 25.0, 99.0, step=4))
    assert told.of("positions", 7)["status"] == "closed"
    assert (told.of("positions", 8)["side"], told.of("positions", 8)["qty"]) == ("SHORT", pytest.approx(-1.5))


def test_a_trade_that_a_correction_ended_takes_nothing_from_the_next_fill(told):
    told.take(fill(1, 7, 1, 10.0, 100.0))
    told.take(trade(7, 1, 10.0, step=4))
    told.take(fill(2, 8, 1, 10.0, 99.0, step=5))
    assert told.of("positions", 8)["qty"] == pytest.approx(1.0)


def test_stop_and_target_follow_their_orders_and_a_replaced_one_does_not_take_the_new_one_away(told):
    told.take(fill(1, 7, 1, 10.0, 100.0))
    told.take(order(2, OrderState.SUBMITTED, kind=RowKind.SUBMIT, role=Role.STOP_LOSS, stop_price=95.0))
    told.take(order(3, OrderState.SUBMITTED, kind=RowKind.SUBMIT, role=Role.TAKE_PROFIT, price=120.0))
    assert (told.of("positions", 7)["stop"], told.of("positions", 7)["target"]) == (95.0, 120.0)
    told.take(order(4, OrderState.SUBMITTED, kind=RowKind.SUBMIT, role=Role.STOP_LOSS, stop_price=97.0))
    told.take(order(2, OrderState.CANCELED, role=Role.STOP_LOSS, stop_price=95.0))
    assert told.of("positions", 7)["stop"] == 97.0
    told.take(order(4, OrderState.REJECTED, role=Role.STOP_LOSS, stop_price=97.0))
    assert told.of("positions", 7)["stop"] is None


def test_a_cost_that_is_not_known_makes_the_sum_unknown_for_good(told):
    told.take(fill(1, 7, 1, 10.0, 100.0, fee=math.nan))
    told.take(fill(1, 7, 1, 10.0, 100.0))
    assert told.of("positions", 7)["fees"] is None
    assert told.of("fills", 1)["fee"] is None


def test_what_the_venue_did_is_told_from_what_we_asked(told):
    told.take(fill(1, 7, 1, 10.0, 100.0))
    told.take(order(9, OrderState.ACCEPTED, role=Role.LIQUIDATION, side=-1))
    told.take(
        trade(7, 1, 10.0, step=9, role=Role.LIQUIDATION), fill(9, 7, -1, 10.0, 60.0, step=9, role=Role.LIQUIDATION)
    )
    assert [told.of("fills", number)["origin"] for number in (1, 2)] == ["ours", "liquidation"]
    assert told.of("positions", 7)["status"] == "liquidated"


def test_of_orders_that_ended_only_the_last_are_kept(told):
    for number in range(2, ENDED_KEPT + 12):
        told.take(order(number, OrderState.DENIED))
    assert len(told.trading.orders) == ENDED_KEPT + 1, "and those that are open"
    assert 1 in told.trading.orders
