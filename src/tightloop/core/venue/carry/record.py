"""The record of the simulated venues of carry, and how they push events into its inbox."""

from tightloop.core import limits
from tightloop.core.compiled import leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import BOOKS, COUNTERS, HOLDING, LEG, REQUEST, TRANSIT
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.records import of, record
from tightloop.core.domain.types import EVENT, Record

CARRY_VENUE = record(
    *of("i8", "ts_ns inbox_count inbox_taken transit_count leg_count request_count bundle_id"),
    *of("i8", "cash delay_ns funding_on_entry fee_in_amount forced_op staked_at_ns has_rewards"),
    *of("f8", "margin_liquidate transfer_fee"),
    # staked_at_ns: until when `staked` is accrued. margin_liquidate: maintenance ratio, 0 switches liquidation off.
    ("staked", "f8", (limits.BALANCES_MAX,)),  # by REWARD balance: ETH x ns staked since its period began
    ("books", BOOKS),
    ("legs", LEG, (limits.LEGS_MAX,)),
    ("requests", REQUEST, (limits.BUNDLE_MAX,)),
    ("transits", TRANSIT, (limits.TRANSITS_MAX,)),
    ("saved_amounts", "f8", (limits.BALANCES_MAX,)),
    ("saved_holdings", HOLDING, (limits.HOLDINGS_MAX,)),
    ("saved_counters", "f8", (limits.TOKENS_MAX * COUNTERS,)),
    ("saved_hash", "u8"),
    ("inbox", EVENT, (limits.INBOX_MAX,)),
)


@leaf
def push(venue: Record, kind: int) -> Record:
    """Append a cleared event of the current bundle (0: none) to the inbox of the step and return it."""
    assert venue.inbox_count < limits.INBOX_MAX, "INBOX_MAX: more events than the venue may owe at one instant"
    event = venue.inbox[venue.inbox_count]
    venue.inbox_count += 1
    fields.write_answer(event, kind, venue.bundle_id, venue.ts_ns)
    return event


@leaf
def push_executed(venue: Record, op: int, leg: int, source: int, target: int, qty: float, amount: float) -> Record:
    """Append INSTRUCTION_EXECUTED and return it: ``op`` (Instruction) of ``leg`` gave ``qty``, took ``amount``.

    ``source`` and ``target`` are balances (a holding as target of PERP_TRADE), -1 for outside the books.
    """
    event = push(venue, EventKind.INSTRUCTION_EXECUTED.value)
    fields.set_executed(event, op, leg, source, target, qty, amount)
    return event
