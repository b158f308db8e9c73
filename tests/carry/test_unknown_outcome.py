"""A bundle that nobody answered: neither done nor refused until it is looked up, and no new risk meanwhile."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from carry.synthetic import (
    Bands,
    Flow,
    Prediction,
    Run,
    Size,
    at,
    borrowing,
    directional,
    feed,
    flat,
    lend,
    loop,
    short,
    spot,
    stake,
    strategy,
)
from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.domain.carry import GO, Instruction, RebalanceReason, Rollback, Task
from tightloop.core.domain.enums import EventKind, Reason, RowKind, WarningCode
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import carry as replay_carry
from tightloop.core.state import check_invariants
from tightloop.core.trading.lifecycle import Life
from tightloop.runtime.results.carry.build import build_carry
from tightloop.runtime.results.carry.snapshots import room_for
from tightloop.runtime.results.recorder import Recorder

Log = Any


@dataclass
class Lossy:
    """A run whose venues execute every bundle, and whose answers to the bundle ``lost`` (0 is the first) are withheld
    until the instant ``known``; with ``all_after`` also the answers to every bundle sent after it."""

    run: Run
    lost: int
    known: int
    all_after: bool = False
    sent: list[tuple[int, int]] = field(default_factory=list)
    """(instant, bundle) of each that was sent."""
    withheld: list[Any] = field(default_factory=list)
    unknown: int = 0

    def __post_init__(self) -> None:
        self.log: Log = core_log.new_log(max(2 * self.run.plan.rows_per_step, core_log.ROWS))
        self.now_ns = 0
        self.recorder = Recorder()
        self.snapshots = room_for(self.run.plan, self.run.tape).rows

    def instants(self) -> Iterator[int]:
        plan, tape = self.run.plan, self.run.tape
        events = np.zeros(1, EVENT)
        last, place = tape.fresh()
        while replay_carry.next_carry_event(tape.instants, tape.values, tape.extras, last, place, events):
            instant = int(place[replay_carry.INSTANT])
            self.now_ns = int(events[0]["ts_init_ns"])
            if self.withheld and instant == self.known and events[0]["kind"] == EventKind.SNAPSHOT_COMPLETE:
                late, self.withheld = self.withheld, []
                for event in late:
                    event["ts_init_ns"] = self.now_ns
                    self.step(event)
            replay_carry.run_venues(plan.venues, events)
            self.deliver(instant)
            self.step(events)
            self.deliver(instant)
            check_invariants(plan.states[0])
            if events[0]["kind"] == EventKind.SNAPSHOT_CLOSED:
                replay_carry.snapshot_of(plan.states, self.snapshots[instant - 1])
                yield instant - 1

    def step(self, events: Any) -> None:
        replay_bars.step_one(self.run.plan.states, self.run.plan.arena, events, self.log, self.run.plan.table)

    def deliver(self, instant: int) -> None:
        venue = self.run.plan.venues[0]
        while True:
            row = core_log.pop_row(self.log)
            if row >= 0:
                self.run.rows.append(self.log[row].copy())
                replay_carry.venue_instructed(self.run.plan.venues, self.log, row)
                if self.log[row]["kind"] == RowKind.INSTRUCT and self.log[row]["code"] == GO:
                    self.sent.append((instant, int(self.log[row]["order_id"])))
                    at = len(self.sent) - 1
                    if at == self.lost or (self.all_after and self.lost < at and instant < self.known):
                        self.lose(int(self.log[row]["order_id"]))
            elif venue["inbox_taken"] < venue["inbox_count"]:
                taken = int(venue["inbox_taken"])
                venue["inbox_taken"] = taken + 1
                self.step(venue["inbox"][taken : taken + 1])
            else:
                break
        venue["inbox_count"] = venue["inbox_taken"] = 0
        self.recorder.take_log(self.log)

    def lose(self, bundle: int) -> None:
        """Withhold what the venues have just answered; the step hears that the outcome is unknown."""
        venue = self.run.plan.venues[0]
        first, end = int(venue["inbox_taken"]), int(venue["inbox_count"])
        self.withheld += [venue["inbox"][k : k + 1].copy() for k in range(first, end)]
        venue["inbox_count"] = first
        self.unknown = bundle
        self.step(no_answer(bundle, self.now_ns))

    def to_end(self) -> "Lossy":
        for _ in self.instants():
            pass
        return self


def no_answer(bundle: int, now_ns: int) -> Any:
    event = np.zeros(1, EVENT)
    event["kind"], event["order_id"] = int(EventKind.BUNDLE_UNKNOWN), bundle
    event["ts_event_ns"] = event["ts_init_ns"] = now_ns
    event["instrument"] = event["instance"] = -1
    return event


def lossy(own: Any, fed: Any, *, lost: int = 0, known: int = 6, all_after: bool = False) -> Lossy:
    return Lossy(Run.of(own, fed), lost, known, all_after)


def denied(one: Lossy) -> list[tuple[int, RebalanceReason, Reason]]:
    """(hour, rule, reason) of everything that was denied."""
    return [
        (int((row["ts_ns"] - at(0)) // (at(1) - at(0))), RebalanceReason(row["order_id"]), Reason(row["reason"]))
        for row in one.run.rows
        if row["kind"] == RowKind.WARNING and row["code"] == WarningCode.BUNDLE_DENIED
    ]


KINDS: dict[str, Callable[[], Any]] = {
    "lend": lambda: strategy([lend()]),
    "basis": lambda: strategy([spot("BTC"), short("BTC", margin=0.48)]),
    "hedged": lambda: strategy([spot(), stake(source="spot"), short(margin=0.5)]),
    "loop": lambda: strategy([loop(ltv=0.85)], share="ETH", capital=30.0),
    "borrowed basis": lambda: strategy(
        [borrowing(), spot(share=0.16, source="base"), short(margin=0.15, source="base")], share="ETH", capital=30.0
    ),
}


@pytest.mark.parametrize(
    ("kind", "lost"),
    [("lend", 0), ("basis", 0), ("basis", 1), ("hedged", 0), ("hedged", 1), ("loop", 0), ("borrowed basis", 1)],
)
def test_it_stays_unknown_until_it_is_looked_up_and_the_task_then_goes_on(kind: str, lost: int) -> None:
    plain = Run.of(KINDS[kind](), feed(flat(10))).to_end()
    one = lossy(KINDS[kind](), feed(flat(10)), lost=lost)
    for hour in one.instants():
        carry = one.run.carry
        if hour < 6:
            assert [int(own["life"]) for own in carry["bundles"] if own["id"]] == [Life.UNKNOWN]
            assert (int(carry["unknown_count"]), int(carry["pending_count"])) == (1, 0)
            assert len(one.sent) == lost + 1, "no other bundle follows it"
        else:
            assert not carry["bundles"]["id"].any()
            assert (int(carry["unknown_count"]), int(carry["pending_count"])) == (0, 0)
    assert len(one.sent) == len(plain.bundles())
    ours, theirs = one.run.carry["books"], plain.carry["books"]
    assert ours["balances"]["amount"] == pytest.approx(theirs["balances"]["amount"]), "nothing was done twice"
    assert ours["holdings"]["qty"] == pytest.approx(theirs["holdings"]["qty"])


def test_one_that_was_refused_is_sent_again_at_the_next_instant() -> None:
    own = KINDS["basis"]()
    run = Run.of(own, feed(flat(10)))
    run.plan.venues["forced_op"] = 3  # PERP_TRADE
    one = Lossy(run, 1, 6)
    for hour in one.instants():
        if hour == 3:
            run.plan.venues["forced_op"] = -1
    ended = [row for row in run.rows if row["kind"] == RowKind.BUNDLE]
    assert Rollback.FORCED in [int(row["reason"]) for row in ended]
    assert run.qty() < 0.0
    assert int(run.carry["rollback_count"]) == 1


def test_a_deposit_waits_and_says_why() -> None:
    own = strategy([lend()], flows=[Flow(int(at(2)), 50_000.0, "slow"), Flow(int(at(4)), 10_000.0, "slow")])
    one = lossy(own, feed(flat(10)), lost=1, known=6)
    supplied = [one.run.amount("supplied", "aUSDT") for _ in one.instants()]
    assert [instant for instant, _ in one.sent] == [0, 2, 6]
    assert supplied[2:6] == [100_000.0] * 4
    assert supplied[6:] == pytest.approx([160_000.0] * 4)
    assert denied(one) == [(4, RebalanceReason.DEPOSIT, Reason.UNKNOWN_OUTCOME)], "of the second, and once"


def test_a_payment_that_was_not_answered_is_not_paid_twice() -> None:
    own = strategy([lend()], reserve=0.5, flows=[Flow(int(at(2)), -40_000.0, "slow")])
    one = lossy(own, feed(flat(10)), lost=1, known=6)
    payable = [float(one.run.carry["payable"]) for _ in one.instants()]
    assert payable[2:6] == [40_000.0] * 4
    assert payable[6:] == pytest.approx([0.0] * 4, abs=1e-6)
    assert float(one.run.carry["nav"]) == pytest.approx(60_000.0)
    assert len(one.sent) == 2


def test_what_reduces_risk_goes_on() -> None:
    """The deposit is not answered; the coin is slashed, and the loop below its floor gives up debt all the same."""
    values = flat(12)
    for name in ("rate", "market_rate"):
        values[name, "weETH"][5:] *= 0.97
    own = strategy(
        [loop(ltv=0.85)], share="ETH", capital=30.0, bands=Bands(hf_floor=1.1), flows=[Flow(int(at(3)), 3.0, "slow")]
    )
    one = lossy(own, feed(values), lost=len(Run.of(own, feed(flat(3))).to_end().bundles()), known=9)
    debt = [one.run.amount("debt", "debtWETH") for _ in one.instants()]
    assert debt[4] == debt[2]
    assert debt[5] < 0.95 * debt[4]
    assert int(one.run.carry["task"]) == Task.NONE


def fallen(hours: int) -> Any:
    """Values at which ETH, the collateral of a loan in USDT, loses a quarter at hour 5."""
    values = flat(hours)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[5:] *= 0.75
    return values


def lent(**fields: Any) -> Any:
    legs = [borrowing(), spot(share=0.16, source="base"), short(margin=0.15, source="base")]
    return strategy(legs, share="ETH", capital=30.0, bands=Bands(hf_floor=2.0), **fields)


@pytest.mark.parametrize("refused", [False, True])
def test_risk_is_reduced_through_all_stages_beside_a_stage_of_an_entry_that_is_not_answered(refused: bool) -> None:
    """A quarter of the debt is repaid at hour 5; the deposit of hour 3 is put to work once its outcome is known."""
    run = Run.of(lent(flows=[Flow(int(at(3)), 5.0, "slow")]), feed(fallen(16)))
    one = Lossy(run, len(Run.of(lent(), feed(flat(3))).to_end().bundles()), 12)
    debt, supplied = [], []
    for hour in one.instants():
        run.plan.venues["forced_op"] = int(Instruction.BORROW) if refused and hour == 2 else -1
        debt.append(run.amount("debt", "debtUSDT"))
        supplied.append(run.amount("supplied", "aWETH"))
    assert debt[4] == debt[2]
    assert debt[5:12] == pytest.approx([0.75 * debt[4]] * 7)
    assert denied(one) == [(5, RebalanceReason.DEPOSIT, Reason.UNKNOWN_OUTCOME)]
    added = 0.95 * 5.0 * (0.75 if refused else 1.0)  # an entry that goes on after a reduction goes on smaller
    assert supplied[13] == pytest.approx(supplied[2] + added), "once, whether it was done or refused"
    assert not run.carry["bundles"]["id"].any()
    assert int(run.carry["paused_stage"]) == 0


def test_risk_is_reduced_through_all_stages_beside_a_payment_that_is_not_answered() -> None:
    one = lossy(
        lent(reserve=0.2, flows=[Flow(int(at(3)), -1.0, "slow")]), feed(fallen(16)), known=12,
        lost=len(Run.of(lent(reserve=0.2), feed(flat(3))).to_end().bundles()),
    )  # fmt: skip
    debt = [one.run.amount("debt", "debtUSDT") for _ in one.instants()]
    assert debt[4] == debt[2]
    assert debt[5:12] == pytest.approx([0.75 * debt[4]] * 7)
    assert float(one.run.carry["payable"]) == pytest.approx(0.0, abs=1e-9), "and it is paid once"


def slashed(hours: int) -> Any:
    """Values at which a loop of ltv 0.85 falls below its floor at hour 5."""
    values = flat(hours)
    for name in ("rate", "market_rate"):
        values[name, "weETH"][5:] *= 0.97
    return values


def test_additions_leave_places_for_reductions_and_these_wait_when_there_is_none() -> None:
    """From the deposit of hour 3 on nothing is answered. The loop is below its floor from hour 5 on."""
    own = strategy(
        [loop(ltv=0.85)], share="ETH", capital=30.0, bands=Bands(hf_floor=1.1),
        flows=[Flow(int(at(3)), 3.0, "slow"), Flow(int(at(4)), 2.0, "slow")],
    )  # fmt: skip
    before = len(Run.of(own, feed(flat(3))).to_end().bundles())
    one = lossy(own, feed(slashed(24)), lost=before, known=18, all_after=True)
    for hour in one.instants():
        if hour < 18:
            carry = one.run.carry
            assert int(carry["pending_count"]) + int(carry["unknown_count"]) <= limits.BUNDLES_MAX
    hours = [hour for hour, _ in one.sent[before:] if hour < 18]
    assert hours == [3, *range(5, 5 + limits.BUNDLES_MAX - 1)], "one addition, reductions in all other places"
    assert denied(one) == [
        (4, RebalanceReason.DEPOSIT, Reason.UNKNOWN_OUTCOME),
        (5 + limits.BUNDLES_MAX - 1, RebalanceReason.HEALTH_FACTOR, Reason.UNKNOWN_OUTCOME),
    ], "each is said once"
    assert not one.run.carry["bundles"]["id"].any()
    assert one.run.amount("wallet", "ETH") == pytest.approx(0.0, abs=1e-9), "the second deposit is put to work"


def test_transfers_to_a_margin_wait_when_no_place_is_left_and_the_rule_says_so() -> None:
    """The short at one exchange loses from hour 5 on; no transfer to its margin is answered."""
    values = flat(24)
    values["mark", "bybit:BTCUSDT-perp"][5:] *= 1.3
    both = {"binance": 0.5, "bybit": 0.5}
    own = strategy(
        [short("BTC", both, margin=0.3, size=Size("units", 1.0))], bands=Bands(margin_resize=0.2)
    )  # fmt: skip
    before = len(Run.of(own, feed(flat(3))).to_end().bundles())
    one = lossy(own, feed(values), lost=before, known=18, all_after=True).to_end()
    end = 5 + limits.BUNDLES_MAX
    assert [hour for hour, _ in one.sent[before:]][: limits.BUNDLES_MAX] == list(range(5, end))
    assert denied(one) == [(end, RebalanceReason.MARGIN, Reason.UNKNOWN_OUTCOME)]
    assert not one.run.carry["bundles"]["id"].any()


def test_a_reduction_without_a_place_is_said_in_tables_and_summary() -> None:
    own = strategy(
        [loop(ltv=0.85)], share="ETH", capital=30.0, bands=Bands(hf_floor=1.1), flows=[Flow(int(at(3)), 3.0, "slow")]
    )
    fed = feed(slashed(24))
    before = len(Run.of(own, feed(flat(3))).to_end().bundles())
    one = lossy(own, fed, lost=before, known=18, all_after=True).to_end()
    result = build_carry(one.run.plan, fed, one.snapshots, one.recorder)
    events = result.tables["events"]
    notes = [note for note, event in zip(events["note"], events["event"], strict=True) if event == "DENIED"]
    assert notes == ["deposit: unknown_outcome", "health_factor: unknown_outcome"]
    added, reduced = (text for text in result.summary["warnings"] if "unknown_outcome" in text)
    assert "deposit): nothing was added" in added
    assert "health_factor): nothing was reduced" in reduced


def test_news_told_twice_of_a_bundle_that_ended_moves_no_money_and_is_reported() -> None:
    one = lossy(KINDS["basis"](), feed(flat(10)), lost=1, known=6)
    late: list[Any] = []
    for _ in one.instants():
        late = late or [event.copy() for event in one.withheld]
    assert {int(event["kind"][0]) for event in late} == {EventKind.INSTRUCTION_EXECUTED, EventKind.BUNDLE_ENDED}
    books = one.run.carry["books"].tobytes()
    for event in late:
        event["ts_init_ns"] = int(one.run.plan.states[0]["ts_ns"])
        one.step(event)
    rows = one.log[core_log.FIRST : core_log.stop(one.log)]
    assert [int(row["code"]) for row in rows] == [WarningCode.ILLEGAL_EVENT] * len(late)
    assert one.run.carry["books"].tobytes() == books


def test_a_liquidation_told_twice_takes_no_second_margin_and_is_reported() -> None:
    values = flat(8)
    values["mark", "binance:BTCUSDT-perp"][4:] *= 1.9
    own = strategy([spot("BTC"), short("BTC", margin=0.48)], bands=Bands(margin_liquidate=0.1))
    run = Run.of(own, feed(values)).to_end()
    assert int(run.carry["liquidation_count"]) == 1
    books = run.carry["books"].tobytes()
    event = no_answer(0, int(run.plan.states[0]["ts_ns"]))
    event["kind"], event["instance"], event["price"] = int(EventKind.PERP_LIQUIDATED), 0, 100_000.0
    event["amount"] = 1_000.0
    log = core_log.new_log(core_log.ROWS)
    replay_bars.step_one(run.plan.states, run.plan.arena, event, log, run.plan.table)
    rows = log[core_log.FIRST : core_log.stop(log)]
    assert [int(row["code"]) for row in rows if row["kind"] == RowKind.WARNING] == [WarningCode.ILLEGAL_EVENT]
    assert run.carry["books"].tobytes() == books
    assert int(run.carry["liquidation_count"]) == 1


def test_no_signal_opens_anything_meanwhile() -> None:
    said = {"signal": (Prediction(int(at(2)), 1, 0.9, 0.5), Prediction(int(at(4)), -1, 0.9, 0.5))}
    one = lossy(strategy([directional(size=0.5)]), feed(flat(10), predictions=said), lost=1, known=7)
    qty = [one.run.qty() for _ in one.instants()]
    assert qty[2:7] == [0.0] * 5
    assert qty[9] < 0.0, "the last side that was said, once the first is known"


def test_news_of_a_bundle_that_was_never_sent_changes_nothing_and_is_reported() -> None:
    run = Run.of(strategy([lend()]), feed(flat(3))).to_end()
    before = run.carry["books"].tobytes()
    log = core_log.new_log(core_log.ROWS)
    for kind in (EventKind.BUNDLE_UNKNOWN, EventKind.BUNDLE_ENDED):
        event = no_answer(12_345, int(run.plan.states[0]["ts_ns"]))
        event["kind"] = int(kind)
        replay_bars.step_one(run.plan.states, run.plan.arena, event, log, run.plan.table)
    rows = log[core_log.FIRST : core_log.stop(log)]
    assert [int(row["code"]) for row in rows if row["kind"] == RowKind.WARNING] == [WarningCode.ILLEGAL_EVENT] * 2
    assert run.carry["books"].tobytes() == before
    assert not math.isnan(float(run.carry["nav"]))
