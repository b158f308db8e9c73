"""State: creating, hashing, and checking its invariants.

Hashing reads State as 64-bit words, so the word offset of each array in the record is computed here once.
"""

import math

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import compiled, float_bits, leaf, word_at
from tightloop.core.domain.carry import CARRY, COUNTERS
from tightloop.core.domain.enums import ACCOUNT_KINDS, Role
from tightloop.core.domain.position import POSITION
from tightloop.core.domain.ticks import BOOK
from tightloop.core.domain.types import (
    AGGREGATE,
    ENDED,
    INDICATOR,
    INSTANCE,
    INSTRUMENT,
    NODE,
    ORDER,
    STATE,
    STRATEGY,
    Floats,
    Record,
    Rows,
    Word,
)
from tightloop.core.kinds import uint64, void
from tightloop.core.signatures import ARENA
from tightloop.core.trading import orders, positions
from tightloop.core.trading.ledger import WALLET

_K = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def _at(name: str) -> int:
    """Return the offset of a field of STATE, in 64-bit words."""
    fields = STATE.fields
    assert fields is not None
    return int(fields[name][1]) // 8


# Offsets of the hashed arrays and sizes of their elements, in 64-bit words.
_HEADER_WORDS = _at("touched")
_INSTRUMENTS, _INSTRUMENT_WORDS = _at("instruments"), INSTRUMENT.itemsize // 8
_AGGREGATES, _AGGREGATE_WORDS = _at("aggregates"), AGGREGATE.itemsize // 8
_INDICATORS, _INDICATOR_WORDS = _at("indicators"), INDICATOR.itemsize // 8
_STRATEGIES, _STRATEGY_WORDS = _at("strategies"), STRATEGY.itemsize // 8
_NODES, _NODE_WORDS = _at("nodes"), NODE.itemsize // 8
_INSTANCES, _INSTANCE_WORDS = _at("instances"), INSTANCE.itemsize // 8
_POSITIONS, _POSITION_WORDS = _at("positions"), POSITION.itemsize // 8
_ORDERS, _ORDER_WORDS = _at("orders"), ORDER.itemsize // 8
_VALUE_SLOTS, _MEMORY = _at("value_slots"), _at("memory_ns")
_CARRY, _CARRY_WORDS = _at("carry"), CARRY.itemsize // 8
_BOOKS, _BOOK_WORDS = _at("books"), BOOK.itemsize // 8
_ENDED, _ENDED_WORDS = _at("ended"), ENDED.itemsize // 8
_FILL_KEYS = _at("fill_keys")


def new_state() -> Rows:
    """Create an empty State, shape (1,) of STATE: all zero except fields whose zero would mean something."""
    states = np.zeros(1, STATE)
    states["day"] = -1
    states["daily_stopped_day"] = limits.NO_DAY
    states["next_timer_ns"] = limits.NEVER_NS
    return states


@leaf
def _words_hash(state: Record, first: int, count: int, seed: Word) -> Word:
    """Fold ``count`` words of State from ``first`` on into a hash that starts from ``seed``."""
    h = np.uint64(seed)
    for index in range(first, first + count):
        h = (h ^ word_at(state, index)) * _K
        h ^= h >> _SHIFT
    return h


@leaf
def full_hash(state: Record, arena: Floats) -> Word:
    """Hash every used word of State and the arena; unused slots and scratch arrays are left out.

    So are tapes and rings: what is in them is in the rolling hash, event by event and row by row, and this is asked
    for every STATE_HASH_EVERY events.
    """
    h = _words_hash(state, 0, _HEADER_WORDS, _K)
    h = _words_hash(state, _INSTRUMENTS, state.instrument_count * _INSTRUMENT_WORDS, h)
    h = _words_hash(state, _AGGREGATES, state.aggregate_count * _AGGREGATE_WORDS, h)
    h = _words_hash(state, _INDICATORS, state.indicator_count * _INDICATOR_WORDS, h)
    h = _words_hash(state, _STRATEGIES, state.strategy_count * _STRATEGY_WORDS, h)
    h = _words_hash(state, _NODES, state.node_count * _NODE_WORDS, h)
    h = _words_hash(state, _INSTANCES, state.instance_count * _INSTANCE_WORDS, h)
    h = _words_hash(state, _POSITIONS, state.instance_count * _POSITION_WORDS, h)
    h = _words_hash(state, _ORDERS, state.order_high * _ORDER_WORDS, h)
    h = _words_hash(state, _VALUE_SLOTS, state.value_slot_count, h)
    h = _words_hash(state, _MEMORY, state.memory_count, h)
    h = _words_hash(state, _BOOKS, state.book_count * _BOOK_WORDS, h)
    if state.carry.leg_count > 0:
        h = _words_hash(state, _CARRY, _CARRY_WORDS, h)
    for index in range(state.arena_floats):
        h = (h ^ float_bits(arena[index])) * _K
        h ^= h >> _SHIFT
    return h


@leaf
def _rings_hash(state: Record, seed: Word) -> Word:
    """Hash the rings of ended orders and of keys."""
    h = _words_hash(state, _ENDED, min(state.ended_count, limits.ENDED_MAX) * _ENDED_WORDS, seed)
    return _words_hash(state, _FILL_KEYS, min(state.fill_key_count, limits.FILL_KEYS_MAX), h)


@leaf
def _check_books(state: Record) -> None:
    """Assert double entry: the account balances of each asset sum to zero."""
    for asset in range(state.asset_count):
        total = 0.0
        scale = 1.0
        for kind in range(ACCOUNT_KINDS):
            balance = state.balances[asset * ACCOUNT_KINDS + kind]
            assert math.isfinite(balance), "a balance is a number"
            total += balance
            scale += abs(balance)
        assert abs(total) <= 1e-9 * scale, "the accounts of an asset add up to zero"


@leaf
def _check_positions(state: Record) -> None:
    """Assert that quantities, margins and unrealised P&L agree with the positions they are summed from."""
    open_count, used, unrealized, scale = 0, 0.0, 0.0, 1.0
    for index in range(state.instance_count):
        position = state.positions[index]
        instrument = state.instruments[state.instances[index].instrument]
        held = abs(position.qty)
        slack = 1e-9 * (1.0 + position.entry_qty)
        assert abs(held - (position.entry_qty - position.exit_qty)) <= slack, "a position is the sum of its fills"
        if position.qty != 0.0:
            open_count += 1
            assert position.entry_price > 0.0, "an open position has an entry price"
            assert position.margin >= 0.0, "a margin is not negative"
        else:
            assert position.margin == 0.0, "a flat position holds no margin"
        used += position.margin
        unrealized += position.unrealized
        scale += abs(position.unrealized) + position.margin
        if instrument.mark > 0.0:
            expected = positions.unrealized_pnl(position, instrument.mark, instrument.multiplier)
            assert abs(expected - position.unrealized) <= 1e-9 * (1.0 + abs(expected)), "unrealised P&L is at the mark"
    assert open_count == state.open_position_count, "open positions are counted"
    assert abs(used - state.used_margin) <= 1e-6 * scale, "margin in use is the sum over positions"
    assert abs(unrealized - state.unrealized) <= 1e-6 * scale, "unrealised P&L is the sum over positions"


@leaf
def _check_orders(state: Record) -> None:
    """Assert that counts, fills and margin reservations agree with the open orders."""
    count, reserved = 0, 0.0
    for slot in range(state.order_high):
        order = state.orders[slot]
        if order.id == 0:
            continue
        count += 1
        reserved += order.reserved_margin
        assert not orders.is_terminal(order.state), "State keeps open orders only"
        assert 0.0 <= order.filled_qty <= order.qty * (1.0 + limits.QUANTITY_TOLERANCE), "an order fills what it asked"
        assert order.reserved_margin >= 0.0, "a reservation is not negative"
        assert order.role == Role.ENTRY or order.reserved_margin == 0.0, "only entries reserve"
    assert count == state.order_count, "open orders are counted"
    assert abs(reserved - state.reserved_margin) <= 1e-6 * (1.0 + reserved), "reservations are the sum over orders"


@leaf
def _check_carry(books: Record) -> None:
    for token in range(books.token_count):
        total, scale = 0.0, 1.0
        for counter in range(COUNTERS):
            total += books.counters[token * COUNTERS + counter]
            scale = max(scale, abs(books.counters[token * COUNTERS + counter]))
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.token == token:
                assert math.isfinite(balance.amount), "a balance is a number"
                total += balance.sign * balance.amount
                scale += abs(balance.amount)
        assert abs(total) <= 1e-9 * scale, "the books of a token add up to zero"
    for k in range(books.holding_count):
        holding = books.holdings[k]
        slack = 1e-9 * (1.0 + holding.entry_qty)
        assert abs(abs(holding.qty) - (holding.entry_qty - holding.exit_qty)) <= slack, (
            "a holding is the sum of its trades"
        )
        assert holding.qty == 0.0 or holding.entry_price > 0.0, "an open holding has an entry price"
        expected = positions.unrealized_pnl(holding, holding.mark, 1.0)
        assert abs(expected - holding.unrealized) <= 1e-9 * (1.0 + abs(expected)), "unrealised P&L is at the mark"


@compiled(void(STATE))
def check_invariants(state: Record) -> None:
    """Assert the invariants that hold after every event; recomputes all sums from their parts."""
    _check_books(state)
    _check_positions(state)
    _check_orders(state)
    if state.carry.leg_count > 0:
        _check_carry(state.carry.books)
        return
    wallet = state.balances[WALLET]
    assert abs(state.equity - (wallet + state.unrealized)) <= 1e-9 * (1.0 + abs(wallet)), "equity = cash + unrealised"


@compiled(uint64(STATE, ARENA))
def _final_hash(state: Record, arena: Floats) -> Word:
    """Combine the rolling hash with the full hash of State and of its rings."""
    h = (state.hash ^ _rings_hash(state, full_hash(state, arena))) * _K
    return h ^ (h >> _SHIFT)


def state_hash(states: Rows, arena: Floats) -> str:
    """Return the hash of a run, 16 hex digits: rolling hash of its events, full hash of its State and its rings."""
    return f"{int(_final_hash(states[0], arena)):016x}"
