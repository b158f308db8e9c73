"""Events by kind: what the fields of an EVENT mean, one writer of each kind and readers where a field's name misleads.

An EVENT is a union: one record of fixed layout for all kinds. Every kind has ``kind``, ``phase`` (flags of Phase),
``ts_event_ns`` (when it happened) and ``ts_init_ns`` (when we received it). The rest depends on the kind:

    BAR_OPENED            instrument, price: the open
    BAR_CLOSED            instrument, open, high, low, price: the close, qty: the volume; ts_event_ns: the open's time
    FUNDING_RATE          instrument, rate: per interval, price: mark (NaN: the last one known; 0 on ticks)
    FUNDING_PAID          instrument, instance, amount (positive: received), rate, price: mark
    ORDER_* (by venue)    instrument, instance, order_id, order_slot: the sender's slot, reason, stop_price: where the
                          venue's trailing stop rests (0: not a trailing stop), open: above 0 warns STOP_UNTOUCHED
    ORDER_FILLED          these and price, qty, amount: fee paid, rate: slippage paid (NaN: unknown), is_maker;
                          order_id 0 and reason LIQUIDATED: a liquidation, which no order of ours asked for;
                          cum_qty: filled of the order in all (0: not said) and high: its average price (0: not said),
                          fill_key (0: unknown)
    FUNDING_PAID          fill_key too
    TIMER                 instrument: its windows advance; -1: timers of instances, reason 1: before a bar begins
    KILL_SWITCH           order_id: 1 engaged, 0 re-armed; scope: instrument, instance, order_slot: strategy (-1: any)
    REARMED               nothing more
    TRADE                 instrument, price, qty, is_maker: 1 if the buyer rested, order_id: the venue's trade id
    QUOTE                 instrument, price: bid, qty: bid quantity, rate: ask, amount: ask quantity
    BOOK_LEVEL            instrument, price, qty (0: the level is gone), order_id: seq, reason: flags of BookRow
    DATA_GAP              instrument, reason: Gap, what is missing
    ORDER_REQUESTED       instance, side, order_kind, tif, qty or amount: notional, price, stop_price, reduce_only,
                          post_only, expires_ns (0: never), leverage, stop_loss, take_profit (prices), and the same as
                          *_pct of the average entry price
    CANCEL_REQUESTED      instance, order_id
    PROTECTION_REQUESTED  instance, stop_loss, take_profit (NaN: unchanged)
    SERIES_UPDATED        instrument: series, price: its value from now on
    SETTLEMENT_PUBLISHED  instance: holding, rate, price: mark
    FUNDING_SETTLED       these, and amount: received in the quote asset, stop_price: in the cash that pays
    REWARD_PUBLISHED      instance: balance, rate: units per ETH staked (0: a period begins), [ts_event_ns, ts_init_ns):
                          the period
    REWARD_PAID           instance: balance, amount: units paid
    CAPITAL_FLOW          amount in the share class (negative: a withdrawal), reason 1: at once
    SIGNAL_RECEIVED       instance: leg, qty: side, amount: confidence, rate: standard deviation
    INSTRUCTION_EXECUTED  order_id: bundle, reason: Instruction, instrument: source balance, instance: target balance
                          (or holding), qty: given, amount: taken, price, rate: fee, is_maker: balance that pays the fee
                          (-1: none), side: leg, stop_loss and take_profit of a directional holding
    BUNDLE_ENDED          order_id: bundle, reason: Rollback, 0 when all of it took place
    BUNDLE_UNKNOWN        order_id: bundle that was not answered; BUNDLE_ENDED follows once it was looked up
    PERP_LIQUIDATED       instance: holding, price, amount: margin the venue kept
    DEBT_LIQUIDATED       instrument: debt, instance: collateral, qty repaid and amount seized (both scaled)
    SNAPSHOT_*            nothing more

CANCEL_REJECTED to MARK_REPORTED, with their writers and readers, are in ``session_events.py``.

``write_*`` begins an event anew: it clears every field, so nothing of the event before can leak into the step or the
rolling hash. ``set_*`` fills in what its kind adds to an event that the venue has just put into its inbox, which is
cleared there. All of them are inlined: LLVM drops a cleared value that is written again.
"""

import math

from tightloop.core.compiled import hot
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Record

ALL_INSTANCES = 0
"""``instance`` of a market event of bars and ticks. It says nothing; 0 because the rolling hash folds it in."""
NONE = -1


@hot
def clear(event: Record, kind: int, instrument: int, instance: int, ts_event_ns: int, ts_init_ns: int) -> None:
    """Begin an event: set what every kind has, and all other fields to 0."""
    event.kind = kind
    event.phase = 0
    event.instrument = instrument
    event.instance = instance
    event.ts_event_ns = ts_event_ns
    event.ts_init_ns = ts_init_ns
    event.order_id = 0
    event.order_slot = 0
    event.reason = 0
    event.is_maker = 0
    event.open = 0.0
    event.high = 0.0
    event.low = 0.0
    event.price = 0.0
    event.qty = 0.0
    event.rate = 0.0
    event.amount = 0.0
    event.stop_price = 0.0
    event.side = 0
    event.order_kind = 0
    event.tif = 0
    event.reduce_only = 0
    event.post_only = 0
    event.expires_ns = 0
    event.leverage = 0.0
    event.stop_loss = 0.0
    event.take_profit = 0.0
    event.stop_loss_pct = 0.0
    event.take_profit_pct = 0.0
    event.cum_qty = 0.0
    event.fill_key = 0


# Bars, funding, time --------------------------------------------------------------------------------------------------


@hot
def write_bar_opened(event: Record, instrument: int, now_ns: int, price: float) -> None:
    """Write that a bar opens at ``price``."""
    clear(event, EventKind.BAR_OPENED.value, instrument, ALL_INSTANCES, now_ns, now_ns)
    event.price = price


@hot
def write_bar_closed(event: Record, instrument: int, now_ns: int, bar: Record) -> None:
    """Write that a BAR has closed; the event is dated at the bar's open and received at its close."""
    clear(event, EventKind.BAR_CLOSED.value, instrument, ALL_INSTANCES, bar.open_ns, now_ns)
    event.open, event.high, event.low = bar.open, bar.high, bar.low
    event.price, event.qty = bar.close, bar.volume


@hot
def write_funding_rate(event: Record, instrument: int, now_ns: int, rate: float, mark: float) -> None:
    """Write a funding rate and the mark it settles at (NaN: the last one known)."""
    clear(event, EventKind.FUNDING_RATE.value, instrument, ALL_INSTANCES, now_ns, now_ns)
    event.rate = rate
    event.price = mark


@hot
def write_timer(event: Record, instrument: int, now_ns: int, is_before_bar: int) -> None:
    """Write that time has passed: for the windows of an instrument, or (-1) for timers of instances."""
    clear(event, EventKind.TIMER.value, instrument, ALL_INSTANCES, now_ns, now_ns)
    event.reason = is_before_bar


@hot
def settlement_mark(event: Record) -> float:
    """Return the mark of FUNDING_RATE, FUNDING_PAID, SETTLEMENT_PUBLISHED or FUNDING_SETTLED."""
    return event.price


@hot
def is_before_bar(event: Record) -> bool:
    """Return whether a TIMER without an instrument calls timers because a bar is about to begin."""
    return event.reason != 0


# Ticks ----------------------------------------------------------------------------------------------------------------


@hot
def write_trade(event: Record, instrument: int, now_ns: int, tick: Record) -> None:
    """Write a public print from a TICK, received at ``now_ns``."""
    clear(event, EventKind.TRADE.value, instrument, ALL_INSTANCES, tick.ts_event_ns, now_ns)
    event.price, event.qty = tick.price, tick.qty
    event.order_id = tick.trade_id
    event.is_maker = tick.is_buyer_maker


@hot
def write_quote(event: Record, instrument: int, now_ns: int, tick: Record) -> None:
    """Write best bid and ask from a TICK, received at ``now_ns``."""
    clear(event, EventKind.QUOTE.value, instrument, ALL_INSTANCES, tick.ts_event_ns, now_ns)
    event.price, event.qty = tick.price, tick.qty
    event.rate, event.amount = tick.ask, tick.ask_qty


@hot
def write_book_level(event: Record, instrument: int, now_ns: int, tick: Record) -> None:
    """Write one level of an order book from a TICK, received at ``now_ns``."""
    clear(event, EventKind.BOOK_LEVEL.value, instrument, ALL_INSTANCES, tick.ts_event_ns, now_ns)
    event.price, event.qty = tick.price, tick.qty
    event.order_id = tick.trade_id
    event.reason = tick.is_buyer_maker


@hot
def write_gap(event: Record, instrument: int, now_ns: int, missing: int) -> None:
    """Write that data of an instrument is missing before ``now_ns``; ``missing``: a Gap."""
    clear(event, EventKind.DATA_GAP.value, instrument, ALL_INSTANCES, now_ns, now_ns)
    event.reason = missing


@hot
def is_buyer_maker(event: Record) -> bool:
    """Return whether the buyer of a TRADE rested, so that the seller took."""
    return event.is_maker != 0


@hot
def ask(event: Record) -> float:
    """Return the best ask of a QUOTE."""
    return event.rate


@hot
def ask_qty(event: Record) -> float:
    """Return the quantity at the best ask of a QUOTE."""
    return event.amount


@hot
def book_seq(event: Record) -> int:
    """Return the number of the update that a BOOK_LEVEL is part of."""
    return event.order_id


@hot
def book_flags(event: Record) -> int:
    """Return the BookRow flags of a BOOK_LEVEL."""
    return event.reason


@hot
def missing(event: Record) -> int:
    """Return what a DATA_GAP is a gap of: a Gap."""
    return event.reason


# What a venue answers -------------------------------------------------------------------------------------------------


@hot
def set_order(event: Record, order_id: int, order_slot: int, reason: int) -> None:
    """Set which order an event is of; ``order_slot`` is the sender's."""
    event.order_id = order_id
    event.order_slot = order_slot
    event.reason = reason


@hot
def set_fill(event: Record, price: float, qty: float, fee: float, slippage: float, is_maker: bool) -> None:
    """Set price, quantity and costs of ORDER_FILLED; slippage NaN: unknown."""
    event.price, event.qty = price, qty
    event.amount, event.rate = fee, slippage
    event.is_maker = 1 if is_maker else 0


@hot
def set_cumulative(event: Record, cum_qty: float, average_price: float, fill_key: int) -> None:
    """Set what an order has filled in all, at which average price (0: not said), and the key of the execution."""
    event.cum_qty, event.high, event.fill_key = cum_qty, average_price, fill_key


@hot
def set_trailing_stop(event: Record, stop_price: float) -> None:
    """Set where the venue's trailing stop rests."""
    event.stop_price = stop_price


@hot
def set_stop_untouched(event: Record, opened: float) -> None:
    """Set the open of the bar whose stop was passed before the entry: warns STOP_UNTOUCHED."""
    event.open = opened


@hot
def set_funding_paid(event: Record, amount: float, rate: float, mark: float) -> None:
    """Set what FUNDING_PAID credits (positive) or debits, and what it was computed from."""
    event.amount, event.rate, event.price = amount, rate, mark


@hot
def fee(event: Record) -> float:
    """Return the fee of ORDER_FILLED, in the settle asset; negative: a rebate."""
    return event.amount


@hot
def slippage(event: Record) -> float:
    """Return the slippage of ORDER_FILLED, in the settle asset; NaN: unknown."""
    return event.rate


@hot
def average_price(event: Record) -> float:
    """Return the average price of all an order has filled; 0: not said."""
    return event.high


@hot
def trailing_stop(event: Record) -> float:
    """Return where the venue's trailing stop rests; 0 if the order is not one."""
    return event.stop_price


@hot
def untouched_open(event: Record) -> float:
    """Return the open of the bar whose stop was passed before the entry; 0 if there is nothing to warn of."""
    return event.open


# Operators ------------------------------------------------------------------------------------------------------------


@hot
def is_engaged(event: Record) -> bool:
    """Return whether a KILL_SWITCH engages; False: it re-arms."""
    return event.order_id != 0


@hot
def scope_strategy(event: Record) -> int:
    """Return the strategy that a KILL_SWITCH is limited to; -1: any."""
    return event.order_slot


# Carry ----------------------------------------------------------------------------------------------------------------


@hot
def write_series(event: Record, series: int, now_ns: int, value: float) -> None:
    """Write that a series has a new value; NaN: it is not known any more."""
    clear(event, EventKind.SERIES_UPDATED.value, series, NONE, now_ns, now_ns)
    event.price = value


@hot
def write_snapshot(event: Record, kind: int, now_ns: int) -> None:
    """Write SNAPSHOT_COMPLETE or SNAPSHOT_CLOSED."""
    clear(event, kind, NONE, NONE, now_ns, now_ns)


@hot
def write_scheduled(event: Record, scheduled: Record, now_ns: int) -> None:
    """Write an event of a tape (settlement, reward, flow, signal, operator), received at ``now_ns``."""
    clear(event, scheduled.kind, scheduled.instrument, scheduled.instance, scheduled.ts_event_ns, now_ns)
    event.order_id, event.order_slot, event.reason = scheduled.order_id, scheduled.order_slot, scheduled.reason
    event.qty, event.amount, event.price, event.rate = (
        scheduled.qty,
        scheduled.amount,
        scheduled.price,
        scheduled.rate,
    )


@hot
def write_answer(event: Record, kind: int, bundle_id: int, now_ns: int) -> None:
    """Begin an answer of the venues of carry: of which bundle it is (0: none), and that no fee was paid."""
    clear(event, kind, NONE, NONE, now_ns, now_ns)
    event.order_id = bundle_id
    event.is_maker = NONE
    event.side = NONE
    event.stop_loss = math.nan
    event.take_profit = math.nan


@hot
def set_executed(event: Record, op: int, leg: int, source: int, target: int, given: float, taken: float) -> None:
    """Set which Instruction took place, the balances it took from and gave to (or a holding), and how much of each."""
    event.reason, event.side = op, leg
    event.instrument, event.instance = source, target
    event.qty, event.amount = given, taken


@hot
def set_executed_price(event: Record, price: float) -> None:
    """Set the price an instruction traded at."""
    event.price = price


@hot
def set_executed_fee(event: Record, paid: float, balance: int) -> None:
    """Set the fee of an instruction and the balance that pays it."""
    event.rate, event.is_maker = paid, balance


@hot
def set_executed_exits(event: Record, stop: float, target: float) -> None:
    """Set the stop and target prices of a directional holding; NaN: none."""
    event.stop_loss, event.take_profit = stop, target


@hot
def set_rollback(event: Record, reason: int) -> None:
    """Set why nothing of a bundle took place; 0: all of it did."""
    event.reason = reason


@hot
def set_perp_liquidated(event: Record, holding: int, price: float, kept: float) -> None:
    """Set which holding was liquidated, at which price, and the margin the venue kept."""
    event.instance, event.price, event.amount = holding, price, kept


@hot
def set_debt_liquidated(event: Record, debt: int, collateral: int, repaid: float, seized: float) -> None:
    """Set which debt was repaid by a liquidator and which collateral was seized, in scaled units."""
    event.instrument, event.instance = debt, collateral
    event.qty, event.amount = repaid, seized


@hot
def set_settled(event: Record, published: Record, amount: float, in_cash: float) -> None:
    """Set what a FUNDING_SETTLED answers to SETTLEMENT_PUBLISHED: the amount in the quote asset, and in cash."""
    event.instance, event.ts_event_ns = published.instance, published.ts_event_ns
    event.rate, event.price = published.rate, published.price
    event.amount, event.stop_price = amount, in_cash


@hot
def set_reward(event: Record, balance: int, units: float) -> None:
    """Set which reward was paid, and how many units of it."""
    event.instance, event.amount = balance, units


@hot
def settled_cash(event: Record) -> float:
    """Return what a FUNDING_SETTLED pays, in the cash it is paid in."""
    return event.stop_price


@hot
def bundle(event: Record) -> int:
    """Return the bundle that an INSTRUCTION_EXECUTED or BUNDLE_* belongs to; 0: the venue acted by itself."""
    return event.order_id


@hot
def rollback(event: Record) -> int:
    """Return why nothing of the bundle of a BUNDLE_ENDED took place, a Rollback; 0: all of it did."""
    return event.reason


@hot
def op(event: Record) -> int:
    """Return the Instruction that took place."""
    return event.reason


@hot
def leg(event: Record) -> int:
    """Return the leg that an instruction was executed for; -1: none."""
    return event.side


@hot
def source(event: Record) -> int:
    """Return the balance that an instruction took from; -1: none."""
    return event.instrument


@hot
def target(event: Record) -> int:
    """Return the balance that an instruction gave to (-1: none), or the holding it traded."""
    return event.instance


@hot
def given(event: Record) -> float:
    """Return what an instruction took from its source; of a perpetual the signed quantity traded."""
    return event.qty


@hot
def taken(event: Record) -> float:
    """Return what an instruction gave to its target."""
    return event.amount


@hot
def executed_fee(event: Record) -> float:
    """Return the fee of an instruction, in units of ``fee_balance``."""
    return event.rate


@hot
def fee_balance(event: Record) -> int:
    """Return the balance that paid the fee of an instruction; -1: none."""
    return event.is_maker


@hot
def kept_margin(event: Record) -> float:
    """Return the margin that a venue kept at a PERP_LIQUIDATED."""
    return event.amount


@hot
def confidence(event: Record) -> float:
    """Return the confidence of a SIGNAL_RECEIVED."""
    return event.amount


@hot
def signal_side(event: Record) -> float:
    """Return the side of a SIGNAL_RECEIVED: 1, -1, or 0 for flat."""
    return event.qty


@hot
def signal_sd(event: Record) -> float:
    """Return the standard deviation that came with a SIGNAL_RECEIVED."""
    return event.rate


@hot
def is_fast(event: Record) -> int:
    """Return 1 if a withdrawal of CAPITAL_FLOW is to be paid at once, else 0."""
    return event.reason
