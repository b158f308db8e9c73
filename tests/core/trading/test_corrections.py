"""Executions of others, positions and balances that differ: booked as corrections; equity moves by what is ours."""

import pytest
from tests.core.driven import Driven, of_kind, submitted
from tests.core.lying_world import FAMILIES, ask, close, entered, held, position, priced, report, sent, wallet, warnings
from tests.parity import runs

from tightloop.core.compiled import as_rows
from tightloop.core.domain.enums import (
    AccountKind,
    Correction,
    EventKind,
    Origin,
    Reason,
    Role,
    RowKind,
    WarningCode,
)
from tightloop.core.trading import exposure
from tightloop.runtime.results.build import attribution


def find(own, side, qty, price=100.0, origin=Origin.MANUAL, *, key=0, order_id=0):
    return own.send(
        EventKind.FILL_FOUND, instrument=0, instance=-1, side=side, qty=qty, price=price, amount=1.0,
        order_kind=int(origin), fill_key=key, order_id=order_id,
    )  # fmt: skip


def foreign(own):
    row = own.state["instruments"][0]
    return float(row["foreign_qty"]), float(row["foreign_price"])


def outside(own):
    return float(own.state["balances"][int(AccountKind.EXTERNAL)])


def correct(own, why, amount, **fields):
    return own.send(
        EventKind.BALANCE_CORRECTED, **({"instrument": -1, "instance": -1} | fields), amount=amount, reason=int(why)
    )


# Executions of others ------------------------------------------------------------------------------------------------


def test_what_others_buy_is_held_beside_our_books_and_counted_in_the_limits():
    own = Driven(FAMILIES["hold"])
    priced(own)
    rows = find(own, 1, 3.0, 100.0)
    find(own, 1, 1.0, 104.0)
    assert warnings(rows) == [WarningCode.FOREIGN]
    assert foreign(own) == (4.0, 101.0)
    assert (position(own), wallet(own), own.state["equity"]) == (0.0, 10_000.0, 10_000.0)
    state = as_rows(own.states)[0]
    assert exposure.symbol_notional(state, 0, 0) == 400.0
    assert exposure.portfolio_notional(state, 0) == 400.0
    assert of_kind(close(own), RowKind.ORDER)["reason"].tolist() == [Reason.FOREIGN_HELD]
    find(own, -1, 4.0, 90.0)
    assert foreign(own) == (0.0, 0.0)
    assert own.state["equity"] == 10_000.0
    assert len(sent(close(own))) == 1


def test_a_position_of_others_may_turn_around():
    own = Driven(FAMILIES["hold"])
    find(own, 1, 3.0, 100.0)
    find(own, -1, 5.0, 90.0)
    assert foreign(own) == (-2.0, 90.0)


@pytest.mark.parametrize(
    ("origin", "role"), [(Origin.MANUAL, Role.MANUAL), (Origin.LIQUIDATION, Role.LIQUIDATION), (Origin.ADL, 8)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_others_sell_against_our_side_is_gone_from_our_position(family, origin, role):
    own, _, qty = held(family)
    rows = find(own, -1, qty, 97.0, origin)
    assert position(own) == 0.0
    (trade,) = of_kind(rows, RowKind.TRADE)
    assert (trade["role"], trade["exit_price"]) == (role, 97.0)
    assert (WarningCode.LIQUIDATED in warnings(rows)) == (role == Role.LIQUIDATION)
    left = [int(order_id) for order_id in own.orders]
    assert of_kind(rows, RowKind.CANCEL)["order_id"].tolist() == left, "what protected it is taken back"


def test_of_a_larger_execution_of_others_the_rest_is_theirs():
    own, _, qty = held()
    rows = find(own, -1, qty + 2.0, 97.0)
    assert position(own) == 0.0
    assert foreign(own) == (pytest.approx(-2.0), 97.0)
    assert of_kind(rows, RowKind.FILL)["fee"] == pytest.approx([qty / (qty + 2.0)]), "and so is their share of the fee"


def test_what_others_held_is_reduced_before_what_we_hold():
    own, _, qty = held()
    find(own, 1, 2.0)
    find(own, -1, 3.0)
    assert foreign(own) == (0.0, 0.0)
    assert position(own) == pytest.approx(qty - 1.0)


def test_an_execution_is_found_once():
    own = Driven(FAMILIES["hold"])
    find(own, 1, 3.0, key=8)
    assert warnings(find(own, 1, 3.0, key=8)) == [WarningCode.REPEATED_FILL]
    assert foreign(own)[0] == 3.0


# Our orders that the venue tells of late ------------------------------------------------------------------------------


def test_a_fill_found_of_an_open_order_is_a_fill_of_it():
    own, entry, qty = entered()
    rows = report(own, entry, qty, cum=qty, kind=EventKind.FILL_FOUND)
    assert position(own) == pytest.approx(qty)
    assert len(sent(rows, Role.STOP_LOSS)) == 1
    assert not own.orders.get(entry)


def test_a_fill_found_of_an_ended_order_is_closed():
    own, entry, qty = entered()
    own.answer(EventKind.ORDER_CANCELED, entry)
    rows = report(own, entry, qty, cum=qty, kind=EventKind.FILL_FOUND)
    assert sent(rows)["role"].tolist() == [Role.MANUAL]


@pytest.mark.parametrize("family", ["signal", "python"])
def test_a_fill_whose_order_was_lost_is_booked_on_the_owner_of_its_symbol_and_closed(family):
    own = Driven(FAMILIES[family])
    priced(own)
    rows = find(own, 1, 4.0, 101.0, Origin.LOST, order_id=123_456)
    assert position(own) == 4.0
    (closing,) = sent(rows)
    assert (closing["role"], closing["qty"], closing["reduce_only"]) == (Role.MANUAL, 4.0, 1)
    assert len(sent(close(own))) == 0
    own.fill(int(closing["order_id"]), 4.0, 101.0)
    assert position(own) == 0.0
    assert foreign(own) == (0.0, 0.0)


def test_a_lost_exit_ends_the_trade():
    own, _, qty = held()
    find(own, -1, qty, 99.0, Origin.LOST)
    assert position(own) == 0.0


# Positions and balances -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("share", "entry"), [(0.5, 100.0), (2.0, 102.0), (1.0, 101.0), (0.0, 0.0), (-1.0, 99.0)])
def test_a_position_is_brought_to_what_the_venue_has(family, share, entry):
    own, _, qty = held(family)
    money = wallet(own)
    rows = own.send(EventKind.POSITION_CORRECTED, instrument=0, instance=0, qty=share * qty, price=entry)
    assert position(own) == pytest.approx(share * qty)
    if share:
        assert own.state["positions"][0]["entry_price"] == pytest.approx(entry)
    assert wallet(own) == pytest.approx(money), "money comes as a correction of the balance"
    (told,) = of_kind(rows, RowKind.WARNING)[:1]
    assert (told["code"], told["reason"]) == (WarningCode.CORRECTED, Correction.POSITION)
    assert told["value"] == pytest.approx(share * qty - qty)


def test_a_foreign_holding_is_brought_to_what_the_venue_has():
    own, _, qty = held()
    own.send(EventKind.POSITION_CORRECTED, instrument=0, instance=-1, qty=-2.0, price=99.0)
    assert foreign(own) == (-2.0, 99.0)
    assert position(own) == qty


@pytest.mark.parametrize("why", [Correction.DEPOSIT, Correction.WITHDRAWAL, Correction.TRANSFER, Correction.FOREIGN])
@pytest.mark.parametrize("amount", [5_000.0, -3_000.0])
def test_what_moves_outside_moves_neither_equity_nor_loss_nor_drawdown(why, amount):
    account = runs.FREE_ACCOUNT | {"daily_loss_pct": 10, "max_drawdown_pct": 10}
    own = Driven(
        runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, account=account)
    )
    rows = correct(own, why, amount)
    assert warnings(rows) == [WarningCode.CORRECTED]
    assert outside(own) == amount
    assert (wallet(own), own.state["equity"], own.state["day_start_equity"]) == (10_000.0, 10_000.0, 10_000.0)
    assert len(submitted(close(own))) == 1, "no limit is reached by it"
    assert own.state["drawdown_stopped"] == 0


def test_a_fee_that_was_estimated_is_corrected_in_our_books():
    own, _, _ = held()
    before, fees = wallet(own), float(own.state["statistics"]["fees"])
    correct(own, Correction.FEE, -0.75, instance=0)
    assert wallet(own) == pytest.approx(before - 0.75)
    assert own.state["statistics"]["fees"] == pytest.approx(fees + 0.75)
    assert own.state["positions"][0]["fees"] == pytest.approx(fees + 0.75)
    assert outside(own) == 0.0


def test_what_nothing_explains_is_ours():
    own, _, _ = held()
    before = float(own.state["equity"])
    assert "corrections" not in attribution(own.state)
    correct(own, Correction.UNEXPLAINED, -25.0)
    correct(own, Correction.DEPOSIT, 100.0)
    assert own.state["equity"] == pytest.approx(before - 25.0)
    assert outside(own) == 100.0
    parts = attribution(own.state)
    assert parts["corrections"] == -25.0
    assert sum(parts.values()) == pytest.approx(float(own.state["equity"]) - 10_000.0)


def test_a_correction_of_one_key_is_made_once():
    own, _, _ = held()
    correct(own, Correction.DEPOSIT, 5.0, fill_key=3)
    assert warnings(correct(own, Correction.DEPOSIT, 5.0, fill_key=3)) == [WarningCode.REPEATED_FILL]
    assert outside(own) == 5.0


def test_a_python_strategy_may_enter_again_after_a_lost_fill_was_closed():
    own = Driven(FAMILIES["python"])
    priced(own)
    (closing,) = sent(find(own, 1, 4.0, 101.0, Origin.LOST))
    own.fill(int(closing["order_id"]), 4.0, 101.0)
    (entry,) = submitted(ask(own))
    rows = own.fill(entry, 5.0, 100.0)
    assert sent(rows)["role"].tolist() == [Role.STOP_LOSS]
