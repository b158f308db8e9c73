"""The cash of spot on ticks: what the venue fills of an entry that costs more than there is, each case by hand."""

import itertools
from collections.abc import Callable

import pytest

from sim.tick_market import run, strategy
from sim.tick_venue import Script, ends, fills
from tightloop.core.domain.enums import Reason

close_to = pytest.approx
UNPAID = int(Reason.INSUFFICIENT_CASH)
COIN = "lab:AAAUSDT-spot"
SPOT = (
    "price_increment: 0.01, lot_size: 0.001, contract_size: 1, settle_asset: USDT, taker_bps: 0, maker_bps: 0, "
    "min_notional: 0, calendar: always"
)


def spot(wallet: float, *, fee: float = 0.0, **options: object) -> Script:
    """A venue of spot with so much in the wallet; ``fee`` of takers and makers as a rate."""
    own = Script(wallet=wallet, taker_rate=fee, maker_rate=fee, **options)
    own.plan.venues[0]["instruments"][0]["rules"]["is_margined"] = 0
    return own


def quoted(wallet: float, ask_qty: float = 50, **options: object) -> Script:
    return spot(wallet, **options).quote(0, 99.9, 50, 100.0, ask_qty).quote(5_000, 99.9, 50, 100.0, ask_qty)


def booked(wallet: float, **options: object) -> Script:
    own = spot(wallet, book=True, **options)
    own.snapshot(0, 1, [(100.0, 5)], [(100.1, 4), (100.2, 3), (100.4, 10)])
    return own.change(5_000, 2, bids=[(90.0, 1)])


@pytest.mark.parametrize(("fee", "qty"), [(0.0, 10), (0.001, 9.99)])
def test_a_market_order_gets_what_the_cash_pays_for(fee: float, qty: float) -> None:
    """1,000 at 100, with a fee of 0.1 % 9.990009, floored to the lot of 0.001."""
    said = quoted(1_000, fee=fee).buy(10, 12, value=80.0).run()
    assert fills(said) == [(10.0, 1, 100.0, close_to(qty), False)]
    assert ends(said) == [(10.0, 1, "canceled", UNPAID)]


def test_an_order_that_is_paid_for_is_filled_whole_and_sells_are_not_asked() -> None:
    said = quoted(1_000).buy(10, 10, value=100.0).sell(20, 10, reduce_only=1).buy(30, 9.99, value=100.0).run()
    assert [own[3] for own in fills(said)] == [10, 10, 9.99]  # 1,000 less 10 x 0.1
    assert not ends(said)


def test_beyond_the_touch_the_part_costs_what_the_part_costs() -> None:
    """4 at the touch and each further 4 a spread of 0.1 away: of 20, what q x average(q) = 1,000 gives."""
    own = quoted(1_000, ask_qty=4, depth_spreads=1.0).buy(10, 20, value=40.0)
    own.plan.venues[0]["instruments"][0]["rules"]["lot_size"] = 0.0
    ((_, _, price, qty, _),) = fills(own.run())
    assert qty * price == close_to(1_000)
    assert price == close_to(100 + 0.1 * (qty - 4) / 4 * 0.5 * (qty - 4) / qty)


@pytest.mark.parametrize(
    ("wallet", "qty", "paid"),
    [
        (400.4, 4, 400.4),
        (4 * 100.1 + 3 * 100.2 + 100.4, 8, 4 * 100.1 + 3 * 100.2 + 100.4),
        (800, 7.986, 4 * 100.1 + 3 * 100.2 + 0.986 * 100.4),  # 99 / 100.4 = 0.98606
    ],
)
def test_a_walk_through_a_book_ends_where_the_cash_does(wallet: float, qty: float, paid: float) -> None:
    said = booked(wallet).buy(10, 9, value=wallet / 9).buy(20, 0.001, value=0.0).run()
    assert fills(said)[0] == (10.0, 1, close_to(paid / qty), close_to(qty), False)
    assert ends(said)[0] == (10.0, 1, "canceled", UNPAID)


def test_what_the_cash_did_not_pay_for_is_still_in_the_book() -> None:
    own = booked(400.4 + 100.2).buy(10, 7, value=50.0)
    levels = own.plan.venues[0]["instruments"][0]
    own.run()
    assert [(float(at["price"]), float(at["qty"])) for at in levels["asks"][: int(levels["ask_count"])]] == [
        (100.4, 10), (100.2, close_to(2)),
    ]  # fmt: skip


@pytest.mark.parametrize("make", [quoted, booked])
def test_fill_or_kill_gets_nothing_when_the_cash_pays_for_a_part(make: Callable[[float], Script]) -> None:
    said = make(500.0).buy(10, 7, 100.4, tif="FOK", value=70.0).run()
    assert not fills(said)
    assert ends(said) == [(10.0, 1, "canceled", UNPAID)]


def test_a_limit_that_rested_is_asked_when_it_fills() -> None:
    """Two wait at 99.95 and cost more than was asked for them: the second gets what is left."""
    own = quoted(1_000, fee=0.001).buy(10, 5, 99.95, value=100.0).buy(20, 5, 99.95, value=99.0)
    said = own.print(30, 99.9, 50, "sell").run()
    # 1,000 less 5 x 99 x 1.001 for the other is 504.505, enough for 500.24975; then 499.75025 / 100.04995 = 4.995008.
    assert fills(said) == [(30.0, 1, 99.95, 5, True), (30.0, 2, 99.95, close_to(4.995), True)]
    assert ends(said) == [(30.0, 2, "canceled", UNPAID)]


def test_without_quotes_the_print_is_paid_for_too() -> None:
    own = spot(1_000).print(0, 100.0, 1, "buy").buy(10, 20, value=50.0).print(20, 125.0, 50, "buy")
    assert fills(own.print(5_000, 125.0, 1, "buy").run()) == [(20.0, 1, 125.0, 8, False)]


def test_a_perp_is_not_asked_at_the_fill() -> None:
    own = Script(wallet=1.0).quote(0, 99.9, 50, 100.0, 50).buy(10, 12).quote(5_000, 99.9, 50, 100.0, 50)
    assert fills(own.run()) == [(10.0, 1, 100.0, 12, False)]


# With a strategy, in both drivers

QUOTES = [(0, 99.9, 100.1), (1, 99.9, 100.1, "S1"), (2, 99.9, 100.1), (3, 99.9, 100.1)]
PRINTS = [(0.5, 100, 1), (3.5, 100, 1)]


@pytest.mark.parametrize(
    ("size", "filled", "reason"),
    [
        ("{type: fixed, value: 10_001}", None, "insufficient_cash"),
        ("{type: fixed, value: 10_000}", 99.9, "insufficient_cash"),  # sized at the middle, filled at 100.1
        ("{type: percentage, value: 100}", 99.9, "insufficient_cash"),
        ("{type: fixed, value: 9_990}", 99.9, None),
    ],
)
def test_an_entry_of_spot(size: str, filled: float | None, reason: str | None) -> None:
    text = strategy(instruments=(COIN,), size=size)
    done = run(text, {COIN: (QUOTES, PRINTS)}, rules={COIN: SPOT})
    entry = done.orders.row(0, named=True)
    assert (entry["state"], entry["reason"]) == (
        "DENIED" if filled is None else "CANCELED" if reason else "FILLED", reason,
    )  # fmt: skip
    assert entry["filled_qty"] == close_to(filled or 0.0)


def test_no_entry_of_spot_takes_the_cash_below_nothing() -> None:
    """A market that rises between the decision and the fill, 50 ms later, again and again."""
    rows = [
        (at * 0.1, 100 + at % 7, 100.2 + at % 7, *(("S1",) if at % 4 == 1 else ("ZE1",) if at % 4 == 3 else ()))
        for at in range(200)
    ]
    text = strategy(
        instruments=(COIN,), size="{type: percentage, value: 100}", latency="{submit_ms: 50, clock: receive}",
        costs='{taker_bps: 10, maker_bps: 0, funding: "off"}',
    )  # fmt: skip
    done = run(text, {COIN: (rows, [(at * 0.5, 100, 1) for at in range(40)])}, rules={COIN: SPOT})
    assert "insufficient_cash" in set(done.orders["reason"])
    wallet = 10_000.0
    for fill in done.fills.rows(named=True):
        wallet -= (1 if fill["side"] == "BUY" else -1) * fill["qty"] * fill["price"] + fill["fee"]
        assert wallet >= -1e-5
    sides = [key for key, _ in itertools.groupby(done.fills["side"].to_list())]
    assert len(sides) > 10
