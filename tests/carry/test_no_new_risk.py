"""Kill switch, ruin, stops of the account: nothing is added from then on, what reduces goes on, re-armed it resumes."""

from typing import Any

import numpy as np
import pytest

from carry.synthetic import (
    Bands,
    Costs,
    Flow,
    Prediction,
    Run,
    Size,
    at,
    borrowing,
    directional,
    feed,
    flat,
    funding,
    lend,
    loop,
    short,
    spot,
    stake,
    strategy,
    walk,
    weight,
)
from tightloop.core.domain.carry import BalanceKind, RebalanceReason
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.model.carry.plan import make_carry_plan
from tightloop.model.carry.strategy import CarryStrategy, Stops
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest.one_by_one import carry as carry_one_by_one
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed
from tightloop.runtime.feeds.carry_tape import kill_switch, rearmed
from tightloop.runtime.results.carry.build import build_carry
from tightloop.runtime.results.recorder import Recorder

BOTH = {"binance": 0.5, "bybit": 0.5}
COINS = 30.0
ADDABLE = (BalanceKind.SUPPLIED, BalanceKind.DEBT, BalanceKind.LST)


def operated(own: CarryStrategy, fed: CarryFeed, *said: Any) -> Run:
    plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
    return Run(plan, carry_tape.make_tape(plan, fed, said))


def denied(run: Run) -> list[tuple[int, RebalanceReason, Reason]]:
    """(hour, rule, reason) of everything that was not added."""
    return [
        (
            int((row["ts_ns"] - at(0)) // (at(1) - at(0))),
            RebalanceReason(int(row["order_id"])),
            Reason(int(row["reason"])),
        )
        for row in run.rows
        if row["kind"] == RowKind.WARNING and row["code"] == WarningCode.BUNDLE_DENIED
    ]


def basis(**fields: Any) -> CarryStrategy:
    return strategy([spot("BTC"), short("BTC", margin=0.48)], **fields)


EVERY = {
    "lend": (strategy([lend()]), "USDT"),
    "lend ETH": (strategy([lend("WETH")], share="ETH", capital=COINS), "ETH"),
    "basis": (basis(), "USDT"),
    "basis over two": (strategy([spot("BTC"), short("BTC", BOTH, margin=0.5)]), "USDT"),
    "stake": (strategy([stake()], share="ETH", capital=COINS), "ETH"),
    "queue": (strategy([stake(way_out="queue", queue_h=5.0)], share="ETH", capital=COINS), "ETH"),
    "loop": (strategy([loop(ltv=0.85)], share="ETH", capital=COINS), "ETH"),
    "hedged": (strategy([spot(), stake(source="spot"), short(margin=0.5)]), "USDT"),
    "hedged loop": (strategy([spot(), loop(source="spot"), short(venues=BOTH, margin=0.5)]), "USDT"),
    "borrowed basis": (
        strategy(
            [borrowing(), spot(share=0.16, source="base"), short(venues=BOTH, margin=0.15, source="base")],
            share="ETH", capital=COINS,
        ),
        "ETH",
    ),
    "directional": (strategy([directional(size=0.5)]), "USDT"),
    "directional in BTC": (strategy([directional()], share="BTC", capital=2.0), "BTC"),
}  # fmt: skip
SAID = {"signal": tuple(Prediction(int(at(hour)), side, 0.9, 0.02) for hour, side in ((1, 1), (6, -1), (9, 1)))}


@pytest.mark.parametrize("name", EVERY)
def test_killed_before_the_first_instant_nothing_is_ever_held(name: str) -> None:
    own, cash = EVERY[name]
    run = operated(own, feed(walk(3, 12), predictions=SAID), kill_switch(int(at(0)))).to_end()
    assert run.bundles() == []
    assert float(run.plan.states[0]["equity"]) == own.capital
    assert run.amount("wallet", cash) == own.capital
    assert all(run.qty(k) == 0.0 for k in range(len(run.plan.holdings)))
    assert denied(run)[0] == (0, RebalanceReason.ENTRY, Reason.KILLED)
    assert len([own for own in denied(run) if own[1] != RebalanceReason.SIGNAL]) == 1, "said once, not at every instant"


@pytest.mark.parametrize("hour", [1, 5, 9])
@pytest.mark.parametrize("delay", [0.0, 2.0])
@pytest.mark.parametrize("name", EVERY)
def test_killed_at_any_hour_nothing_grows_from_then_on(name: str, delay: float, hour: int) -> None:
    """Bands, deposits and signals all want more; scaled amounts and quantities never rise after the switch."""
    own, _ = EVERY[name]
    flows = [Flow(int(at(h)), share * own.capital, "slow") for h, share in ((3, 0.4), (7, -0.1), (10, 0.5), (12, -0.2))]
    own = strategy(
        own.legs, share=own.share_class, capital=own.capital, flows=flows,
        bands=Bands(equity=0.01, delta=0.01, ltv=0.01, margin_resize=0.3),
        costs=Costs(0.0007, 0.0004, transfer_delay_h=delay),
    )  # fmt: skip
    values = walk(11, 16, 0.02)
    run = operated(own, feed(values, predictions=SAID), kill_switch(int(at(hour))))
    before: tuple[Any, Any] | None = None
    for done in run.instants():
        books = run.carry["books"]
        balances = books["balances"][: int(books["balance_count"])]
        kept = np.isin(balances["kind"], [int(kind) for kind in ADDABLE])
        amounts = np.where(kept, balances["amount"], 0.0)
        held = np.abs(books["holdings"]["qty"][: int(books["holding_count"])])
        if done >= hour and before is not None:
            assert (amounts <= before[0] * (1.0 + 1e-12) + 1e-12).all(), f"hour {done}"
            assert (held <= before[1] * (1.0 + 1e-12)).all(), f"hour {done}"
        before = amounts.copy(), held.copy()
    assert run.carry["pending_count"] == 0


def test_a_deposit_after_the_switch_stays_cash_and_is_put_to_work_when_it_is_re_armed() -> None:
    own = strategy([lend()], flows=[Flow(int(at(3)), 50_000.0, "slow")])
    run = operated(own, feed(flat(8)), kill_switch(int(at(2))), kill_switch(int(at(6)), engaged=False))
    seen = [(run.amount("wallet", "USDT"), run.amount("supplied", "aUSDT")) for _ in run.instants()]
    assert seen[2] == (0.0, 100_000.0)
    assert seen[3:6] == [(50_000.0, 100_000.0)] * 3
    assert seen[6] == (0.0, 150_000.0)
    assert denied(run) == [(3, RebalanceReason.DEPOSIT, Reason.KILLED)]


def test_a_withdrawal_is_paid_while_it_is_killed() -> None:
    own = strategy([lend()], flows=[Flow(int(at(3)), -40_000.0, "slow")])
    run = operated(own, feed(flat(6)), kill_switch(int(at(2)))).to_end()
    assert run.amount("supplied", "aUSDT") == pytest.approx(60_000.0)
    assert float(run.carry["payable"]) == 0.0


def test_a_deposit_that_waits_and_is_paid_out_again_is_not_put_to_work() -> None:
    """30,000 come and 20,000 go while the switch is on: 10,000 are left to lend."""
    flows = [Flow(int(at(3)), 30_000.0, "slow"), Flow(int(at(4)), -20_000.0, "slow")]
    run = operated(
        strategy([lend()], flows=flows), feed(flat(8)), kill_switch(int(at(2))), kill_switch(int(at(6)), engaged=False)
    ).to_end()
    assert run.amount("supplied", "aUSDT") == pytest.approx(110_000.0)
    assert run.amount("wallet", "USDT") == pytest.approx(0.0)


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_an_entry_that_is_under_way_stops_and_goes_on_from_there(stopped: int) -> None:
    """Transfers take two hours: cash arrives at 2, coins are bought, arrive at 4 and are staked."""
    own = strategy([spot(), stake(source="spot"), short(margin=0.5)], costs=Costs(transfer_delay_h=2.0))
    run = operated(own, feed(flat(14)), kill_switch(int(at(stopped))), kill_switch(int(at(8)), engaged=False))
    lst, qty = [], []
    for _ in run.instants():
        lst.append(run.amount("lst", "weETH"))
        qty.append((run.amount("venue", "ETH"), run.qty()))
    entered = stopped > 2
    for hour in range(stopped, 8):
        assert lst[hour] == 0.0
        assert qty[hour][1] == (qty[2][1] if entered else 0.0)
    plain = Run.of(own, feed(flat(14))).to_end()
    assert lst[-1] == pytest.approx(plain.amount("lst", "weETH")), "whole again, and nothing twice"
    assert qty[-1][1] == pytest.approx(plain.qty())


def test_an_entry_that_was_stopped_can_be_reduced_and_goes_on_smaller() -> None:
    own = strategy(
        [spot(), stake(source="spot"), short(margin=0.5)], costs=Costs(transfer_delay_h=2.0),
        flows=[Flow(int(at(5)), -50_000.0, "slow")],
    )  # fmt: skip
    run = operated(own, feed(flat(20)), kill_switch(int(at(3))), kill_switch(int(at(12)), engaged=False)).to_end()
    assert float(run.carry["payable"]) == pytest.approx(0.0, abs=1e-6)
    assert float(run.carry["nav"]) == pytest.approx(50_000.0)
    assert run.carry["pending_count"] == 0
    assert [reason for _, _, reason in run.bundles() if reason] == []


def test_a_two_leg_bundle_is_whole_or_not_at_all() -> None:
    for hour in range(4):
        run = operated(basis(costs=Costs(transfer_delay_h=1.0)), feed(flat(6)), kill_switch(int(at(hour)))).to_end()
        coins, sold = run.amount("venue", "BTC"), -run.qty()
        assert coins == pytest.approx(sold)
        assert (coins > 0.0) == (hour > 1)


def test_what_reduces_a_hedge_passes_and_what_adds_to_it_does_not() -> None:
    """The staked coin grows by 3 %: the short would grow with it. Then it is slashed to 90 %: the short shrinks."""
    values = flat(12)
    for name in ("rate", "market_rate"):
        values[name, "weETH"][4:8] *= 1.03
        values[name, "weETH"][8:] *= 0.90
    own = strategy([spot(), stake(source="spot"), short(margin=0.5)], bands=Bands(delta=0.02))
    run = operated(own, feed(values), kill_switch(int(at(2))))
    qty = [run.qty() for _ in run.instants()]
    assert qty[7] == qty[2]
    assert qty[8] == pytest.approx(0.90 * qty[2])
    assert denied(run) == [(4, RebalanceReason.DELTA, Reason.KILLED)]


def test_a_loop_gives_up_debt_and_takes_no_more() -> None:
    values = flat(12)
    for name in ("rate", "market_rate"):
        values[name, "weETH"][4:8] *= 1.05
        values[name, "weETH"][8:] *= 0.96
    own = strategy([loop(ltv=0.8)], share="ETH", capital=100.0, bands=Bands(ltv=0.02))
    run = operated(own, feed(values), kill_switch(int(at(2))))
    debt = [run.amount("debt", "debtWETH") for _ in run.instants()]
    assert debt[7] == debt[2]
    assert debt[8] < 0.9 * debt[2]
    assert denied(run) == [(4, RebalanceReason.LTV, Reason.KILLED)]


def test_equity_that_grew_buys_no_more() -> None:
    values = flat(8)
    values["liquidity_index", "aave_v3/USDT"][4:] *= 1.5
    own = strategy([spot(share=0.3), short(margin=0.3), lend(size=weight(0.4))], bands=Bands(equity=0.02))
    run = operated(own, feed(values), kill_switch(int(at(2)))).to_end()
    assert run.qty() == pytest.approx(-10.0)
    assert denied(run) == [(4, RebalanceReason.EQUITY, Reason.KILLED)]


def test_margins_are_refilled_and_resized_while_it_is_killed() -> None:
    values = flat(10)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "BTC" in name:
            series[5:] *= 1.6
    own = basis(bands=Bands(margin_resize=0.3))
    run = operated(own, feed(values), kill_switch(int(at(2)))).to_end()
    assert int(run.carry["resize_count"]) >= 1
    assert abs(run.qty()) < 50_000 / 60_000
    assert denied(run) == []


def test_a_signal_to_the_other_side_closes_and_does_not_open_and_each_is_said() -> None:
    said = {"signal": tuple(Prediction(int(at(h)), side, 0.9, 0.5) for h, side in ((1, 1), (4, -1), (6, 1), (7, 0)))}
    run = operated(strategy([directional(size=0.5)]), feed(flat(10), predictions=said), kill_switch(int(at(3))))
    qty = [run.qty() for _ in run.instants()]
    assert qty[3] == pytest.approx(50_000 / 60_000)
    assert qty[4:] == [0.0] * 6
    assert denied(run) == [(4, RebalanceReason.SIGNAL, Reason.KILLED), (6, RebalanceReason.SIGNAL, Reason.KILLED)]


def test_signals_said_while_it_is_killed_are_of_no_use_later() -> None:
    said = {"signal": (Prediction(int(at(1)), 1, 0.9, 0.5),)}
    own = strategy([directional(size=0.5)])
    run = operated(
        own, feed(flat(10), predictions=said), kill_switch(int(at(0))), kill_switch(int(at(4)), engaged=False)
    ).to_end()
    assert run.qty() == 0.0
    assert run.amount("venue", "USDT") == pytest.approx(100_000.0), "the margin is there, for the next one"


# Scopes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [{}, {"strategy": 0}, {"instrument": 0}, {"instrument": 1}])
def test_a_scope_that_names_what_the_run_trades_stops_all_of_it(scope: dict[str, int]) -> None:
    run = operated(basis(), feed(flat(4)), kill_switch(int(at(0)), **scope)).to_end()
    assert run.bundles() == []


def test_another_strategy_stops_nothing() -> None:
    run = operated(basis(), feed(flat(4)), kill_switch(int(at(0)), strategy=1)).to_end()
    assert run.qty() < 0.0


def test_each_scope_is_re_armed_by_itself_and_everything_lifts_all() -> None:
    off = {"engaged": False}
    said = [kill_switch(int(at(0)), instrument=0), kill_switch(int(at(0)), instrument=1)]
    one = operated(basis(), feed(flat(6)), *said, kill_switch(int(at(2)), instrument=0, **off)).to_end()
    assert one.bundles() == []
    both = operated(basis(), feed(flat(6)), *said, kill_switch(int(at(2)), **off)).to_end()
    assert both.qty() < 0.0
    assert [str(own) for own in both.plan.instruments] == ["binance:BTCUSDT-spot", "binance:BTCUSDT-perp"]


# The account's stops --------------------------------------------------------------------------------------------------


def _falling(hours: int, at_hour: int, index: float) -> dict[tuple[str, str], Any]:
    values = flat(hours)
    values["rate", "weETH"][at_hour:] *= index
    values["market_rate", "weETH"][at_hour:] *= index
    return values


def _staked(stops: Stops, **fields: Any) -> CarryStrategy:
    return strategy([stake()], share="ETH", capital=100.0, stops=stops, **fields)


@pytest.mark.parametrize(("index", "reason"), [(0.9500001, None), (0.94, Reason.DAILY_LOSS)])
def test_a_loss_of_the_day_beyond_its_limit_stops_deposits_until_the_next_day(
    index: float, reason: Reason | None
) -> None:
    """5 % of the equity at 00:00 UTC is at the limit, 6 % beyond it."""
    hours = 40
    fed = feed(_falling(hours, 3, index))
    own = _staked(Stops(5.0, None), flows=[Flow(int(at(5)), 10.0, "slow")])
    run = operated(own, fed)
    midnight = next(k for k in range(3, hours) if (at(k) // (at(1) - at(0))) % 24 == 0)
    cash = [run.amount("wallet", "ETH") for _ in run.instants()]
    if reason is None:
        assert cash[5] == 0.0
        assert denied(run) == []
        return
    assert cash[5:midnight] == [10.0] * (midnight - 5)
    assert cash[midnight] == 0.0
    assert denied(run) == [(5, RebalanceReason.DEPOSIT, reason)]
    assert [hour for hour, code, _, _ in run.warnings(WarningCode.DAILY_LOSS_STOP)] == [3]


def test_a_drawdown_at_its_limit_stops_until_an_operator_re_arms() -> None:
    own = _staked(Stops(None, 15.0), flows=[Flow(int(at(5)), 10.0, "slow")])
    fed = feed(_falling(60, 3, 0.85))
    run = operated(own, fed).to_end()
    assert run.amount("wallet", "ETH") == 10.0
    assert denied(run) == [(5, RebalanceReason.DEPOSIT, Reason.MAX_DRAWDOWN)]
    again = operated(own, fed, rearmed(int(at(30)))).to_end()
    assert again.amount("wallet", "ETH") == 0.0


def test_a_drawdown_below_its_limit_stops_nothing_and_is_near() -> None:
    own = _staked(Stops(None, 15.0), flows=[Flow(int(at(5)), 10.0, "slow")])
    run = operated(own, feed(_falling(20, 3, 0.8501))).to_end()
    assert denied(run) == []
    assert len(run.warnings(WarningCode.DRAWDOWN_NEAR)) == 1


@pytest.mark.parametrize("amount", [-60.0, 900.0])
def test_a_flow_is_neither_a_loss_nor_a_gain_of_the_account(amount: float) -> None:
    """60 of 100 are withdrawn: no drawdown. 900 come in, and then 16 % are lost: a drawdown of 16 %, not of 1.6."""
    own = _staked(Stops(5.0, 15.0), flows=[Flow(int(at(4)), amount, "slow"), Flow(int(at(12)), 1.0, "slow")])
    run = operated(own, feed(flat(16))).to_end()
    assert run.warnings(WarningCode.DRAWDOWN_STOP) == []
    assert run.warnings(WarningCode.DAILY_LOSS_STOP) == []
    assert denied(run) == []
    fell = operated(own, feed(_falling(16, 8, 0.84))).to_end()
    ((_, _, drawdown, _),) = fell.warnings(WarningCode.DRAWDOWN_STOP)
    assert drawdown == pytest.approx(16.0)
    ((_, _, lost, _),) = fell.warnings(WarningCode.DAILY_LOSS_STOP)
    assert lost == pytest.approx(0.16 * (100.0 + amount)), "of the day: what came in is no gain that hides it"


def test_everything_withdrawn_is_no_ruin_and_a_deposit_begins_anew() -> None:
    own = strategy(
        [lend()],
        stops=Stops(5.0, 15.0),
        flows=[Flow(int(at(2)), -200_000.0, "slow"), Flow(int(at(5)), 10_000.0, "slow")],
    )
    run = operated(own, feed(flat(8))).to_end()
    assert run.amount("supplied", "aUSDT") == pytest.approx(10_000.0)
    assert int(run.plan.states[0]["ruined"]) == 0


def test_a_book_that_lost_all_is_ruined_and_what_comes_later_stays_cash() -> None:
    """2 BTC sold short of 60,000 each with 100,000 of margin; at 130,000 they have lost 140,000."""
    values = flat(12)
    values["mark", "binance:BTCUSDT-perp"][4:] = 130_000.0
    own = strategy(
        [short("BTC", size=Size("units", 2.0), margin=1.0)], flows=[Flow(int(at(6)), 500_000.0, "slow")]
    )  # fmt: skip
    run = operated(own, feed(values)).to_end()
    assert int(run.plan.states[0]["ruined"]) == 1
    assert run.amount("wallet", "USDT") == 500_000.0
    assert denied(run) == [(6, RebalanceReason.DEPOSIT, Reason.RUINED)]


def test_without_limits_nothing_stops() -> None:
    own = _staked(Stops(None, None), flows=[Flow(int(at(5)), 10.0, "slow")])
    run = operated(own, feed(_falling(12, 3, 0.5))).to_end()
    assert run.amount("wallet", "ETH") == 0.0


# Said, and the same from outside --------------------------------------------------------------------------------------


def test_what_was_denied_is_a_row_of_every_table_and_a_warning() -> None:
    own = strategy([lend()], flows=[Flow(int(at(3)), 50_000.0, "slow")])
    fed = feed(flat(8))
    plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
    recorder = Recorder()
    rows = carry_backtest.run(plan, carry_tape.make_tape(plan, fed, [kill_switch(int(at(2)))]), recorder)
    result = build_carry(plan, fed, rows, recorder)
    orders = result.tables["orders"]
    at_row = orders["state"].index("DENIED")
    assert (orders["role"][at_row], orders["reason"][at_row]) == ("deposit", "killed")
    events = result.tables["events"]
    assert events["note"][events["event"].index("DENIED")] == "deposit: killed"
    assert result.tables["signals"]["event"].count("suppressed") == 1
    assert any("denied 1 times by killed" in own and "re-arm" in own for own in result.summary["warnings"])
    assert any("kill switch" in own for own in result.summary["warnings"])


@pytest.mark.parametrize("name", EVERY)
def test_both_drivers_hear_the_operator_alike(name: str) -> None:
    own, _ = EVERY[name]
    fed = feed(walk(5, 14), settlements=funding(walk(5, 14), lambda _: 0.0003), predictions=SAID)
    said = [kill_switch(int(at(2))), kill_switch(int(at(6)), engaged=False), rearmed(int(at(7)))]
    results = []
    for driver in (carry_backtest.run, carry_one_by_one.run):
        plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
        rows = driver(plan, carry_tape.make_tape(plan, fed, said), Recorder())
        state = plan.states[0]
        results.append((rows.tobytes(), state["hash"].tobytes(), state["carry"].tobytes()))
    assert results[0] == results[1]
