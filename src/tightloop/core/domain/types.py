"""The domain in one file: what the step reads, keeps and says. Every field has a unit, a sign and an owner.

Prices are in the settle asset per unit, quantities in contracts (base units where the multiplier is 1), money in the
settle asset, times in nanoseconds UTC, rates as fractions (0.0005 is 5 basis points) unless the suffix says otherwise.
Integers are 64 bits wide, flags are 0 or 1. NaN in a float field means unknown; NEVER_NS in a time means never.
"""

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core import limits
from tightloop.core.domain.carry import CARRY
from tightloop.core.domain.records import of as _of
from tightloop.core.domain.records import record as _record
from tightloop.core.domain.ticks import BOOK, EDGE, LEVEL, ON_DEMAND, TAPE

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]
Word = Any
Table = Any
"""Native addresses and reasons (int64), or functions when the compiler is off."""
"""64 bits; in compiled code an unsigned integer."""
Record = Any
"""One numba record (a row of a structured array), seen from Python."""


class EventKind(IntEnum):
    """Facts from outside, past tense."""

    BAR_OPENED = 1  # instrument, price = open
    BAR_CLOSED = 2  # instrument, open, high, low, price = close, qty = volume
    FUNDING_RATE = 3  # instrument, rate per interval, price = mark (NaN: the last known)
    FUNDING_PAID = 4  # instance, amount (positive: received)
    ORDER_ACCEPTED = 5
    ORDER_REJECTED = 6  # by the venue, reason
    ORDER_FILLED = 7  # qty, price, amount = fee paid, rate = slippage paid (NaN: unknown)
    ORDER_CANCELED = 8
    ORDER_EXPIRED = 9
    ORDER_UNKNOWN = 10  # sent, and no answer: the outcome is not known
    TIMER = 11  # time passed; with an instrument: its windows move on; without: timers; reason 1: before a bar begins
    KILL_SWITCH = 12  # order_id = 1 engaged, 0 re-armed; scope: instrument, instance, order_slot = strategy (-1: any)
    REARMED = 13  # an operator lifts a drawdown stop
    TRADE = 14  # a public print: price, qty, is_maker = the buyer rested, order_id = the venue's trade id
    QUOTE = 15  # best bid and ask: price = bid, qty = bid_qty, rate = ask, amount = ask_qty
    DATA_GAP = 16  # instrument, reason = Gap: what happened since then is not known; windows over it are UNKNOWN
    # What somebody outside of the step decided, for an instance; the step checks it as it checks its own families.
    ORDER_REQUESTED = 17  # side, order_kind, qty or amount = notional, price, stop_price, protection of what it enters
    CANCEL_REQUESTED = 18  # order_id
    PROTECTION_REQUESTED = 19  # stop_loss, take_profit of what is held (NaN: as it is)
    BOOK_LEVEL = 20  # a level of an order book: price, qty (0: it is gone), order_id = seq, reason = flags of BookRow
    # Of carry; which fields they use is said in core/domain/carry.py.
    SERIES_UPDATED = 30  # instrument = series, price = its value from now on
    FUNDING_SETTLED = 31  # instance = holding, rate, price = mark, amount = received (in the quote asset)
    REWARD_PAID = 32  # instance = balance, amount
    CAPITAL_FLOW = 33  # amount in the share class (negative: to be paid out), reason 1: fast
    SIGNAL_RECEIVED = 34  # instance = leg, qty = side, amount = confidence, rate = sd
    INSTRUCTION_EXECUTED = 35  # an instruction took place
    BUNDLE_ENDED = 36  # order_id, reason 0 done, else why nothing of it took place
    PERP_LIQUIDATED = 37  # instance = holding, price
    DEBT_LIQUIDATED = 38  # instrument = debt, instance = collateral, qty repaid and amount seized (scaled)
    SNAPSHOT_COMPLETE = 39  # all that is known at this time has been said: decide
    SNAPSHOT_CLOSED = 40  # and done


class Phase(IntEnum):
    """Flags of an event: what is due once it has been taken in."""

    NONE = 0
    DECIDE_ON_CLOSE = 1
    DECIDE_ON_OPEN = 2
    RECORD = 4


class Side(IntEnum):
    SELL = -1
    BUY = 1


class OrderKind(IntEnum):
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING = 5


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3
    GTT = 4


class OrderState(IntEnum):
    INITIALIZED = 1
    DENIED = 2
    SUBMITTED = 3
    IN_FLIGHT = 4
    ACCEPTED = 5
    PARTIALLY_FILLED = 6
    FILLED = 7
    PENDING_CANCEL = 8
    CANCELED = 9
    REJECTED = 10
    EXPIRED = 11


class Role(IntEnum):
    """Why an order exists; of an exit, the reason the trade ends with."""

    ENTRY = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    TRAILING = 4
    ZE1 = 5
    E1 = 6
    TIME = 7
    LIQUIDATION = 8
    MANUAL = 9
    STRATEGY = 10  # an exit that was decided outside of the step


class InstanceState(IntEnum):
    INACTIVE = 0
    MONITORING = 1
    SIGNAL_DETECTED = 2
    SIGNAL_CANCELLED = 3
    ENTRY_EVALUATION = 4
    ENTRY_PENDING = 5
    POSITION_ACTIVE = 6
    CLOSE_ORDER_EVALUATION = 7
    EXIT_PENDING = 8
    EMERGENCY_EXIT = 9
    EXITED = 10
    ERROR = 11


class Moment(IntEnum):
    """Why a family is called."""

    DECIDE = 1  # an evaluation: exits and cancels; returns 1 when the instance wants to enter
    ENTER = 2  # its turn among those that want to enter
    FILLED = 3  # its position changed
    ORDER_ENDED = 4  # an order of it was rejected, canceled or expired
    TIMER = 5  # its timer is due
    KILL = 6  # cancel what enters, flatten what is held
    PROTECT = 7  # its planned stop or target was changed from outside
    TRAIL = 8  # a bar ended: the distance of a trailing stop is that of its close


class Section(IntEnum):
    S1 = 0
    O1 = 1
    Z1 = 2
    ZE1 = 3
    E1 = 4


class Reason(IntEnum):
    """Why not: of a denied order, a rejected order, a suppressed section. The check's file names its own."""

    NONE = 0
    # guards of S1
    COOLDOWN = 1
    SLOTS_FULL = 2
    SYMBOL_LOCKED = 3
    KILL_SWITCH = 4
    # refusals before any check
    QTY_ROUNDS_TO_ZERO = 10
    BELOW_MIN_NOTIONAL = 11
    PRICE_UNKNOWN = 12
    SIZE_UNKNOWN = 13
    STOP_UNKNOWN = 14
    SHORT_NOT_ALLOWED = 15
    STOP_BEYOND_ENTRY = 16
    TARGET_UNKNOWN = 17
    TARGET_BEYOND_ENTRY = 18
    STOP_BEYOND_LIQUIDATION = 19
    # checks, by file in core/checks
    MAX_POSITION = 20
    MAX_POSITIONS = 21
    MAX_SYMBOL = 22
    DAILY_LOSS = 23
    MAX_DRAWDOWN = 24
    MAX_MARGIN = 25
    MAX_LEVERAGE = 26
    MAX_ORDER_NOTIONAL = 27
    PRICE_BAND = 28
    MAX_PORTFOLIO = 29
    MAX_DAILY_TRADES = 30
    LOSS_STREAK = 31
    LOSS_COOLDOWN = 32
    STRATEGY_DAILY_LOSS = 33
    MIN_RISK_REWARD = 34
    KILLED = 35
    BOOK_UNKNOWN = 36
    INSUFFICIENT_CASH = 37  # of a check; and of the venue of spot, when the price has risen by the fill
    RUINED = 38
    LEVERAGE_UNKNOWN = 40  # decided outside of the step: no number above 0
    STOP_AT_ZERO = 39  # refused before any check: no price reaches a stop at 0 or below
    BASE_BEYOND_PEAK = 41  # of a retracement: there was no move that price could give back
    # by the venue
    POST_ONLY_WOULD_TAKE = 50
    NOTHING_TO_REDUCE = 51
    UNFILLED_IOC = 52
    UNFILLED_FOK = 53
    TTL = 54
    OCO = 55
    LIQUIDATED = 56
    SELF_TRADE = 57
    TOO_LATE = 58  # to an amend: the order has ended as it was before
    # ends of a signal
    O1_TRUE = 60
    O1_TIMEOUT = 61
    ENTRY_UNFILLED = 62
    E1_TRUE = 63
    EXIT = 64
    OPERATOR = 65
    STRATEGY = 66  # decided outside of the step
    FEED_SILENT = 67  # E1 by on_stale


class RowKind(IntEnum):
    """Kinds of rows in the log: commands go to the executor, all go to the journal."""

    SUBMIT = 1
    CANCEL = 2
    AMEND = 3
    ORDER = 4  # an order changed its state
    FILL = 5
    TRADE = 6  # a round trip ended
    SECTION = 7  # a section fired or was suppressed
    CONDITION = 8  # one condition of the section above
    TRANSITION = 9  # an instance changed its state
    WARNING = 10
    FUNDING = 11
    INSTRUCT = 12  # a command of carry: one instruction of a bundle
    INSTRUCTION_EXECUTED = 13  # it took place
    BUNDLE = 14  # a bundle ended
    MONITOR = 15  # something watched changed its level


class WarningCode(IntEnum):
    DAILY_LOSS_STOP = 1
    DRAWDOWN_STOP = 2
    DRAWDOWN_NEAR = 3
    CROSSED_HOLE = 4
    LIQUIDATED = 5
    UNKNOWN_ORDER = 6  # an event for an order that is not open
    ILLEGAL_EVENT = 7  # an event that the order's state does not allow
    KILLED = 8
    FEED_SILENT = 9  # a gap while a position is held: seconds of silence before it
    RUINED = 10  # the first record at which equity is not above 0; value: that equity
    SIZE_REDUCED = 11  # a percentage size was more than the free cash; order_id: the entry, value: what was asked
    STOP_UNTOUCHED = 12  # in the bar of an entry the protection was passed before it; value: the open of that bar
    MARGIN_LOW = 20  # of carry: below its warn band; value: the ratio
    BAND_LEFT = 21  # order_id: which RebalanceReason; value: what was measured
    ROLLED_BACK = 22  # order_id: the bundle; value: why
    DELTA_LEFT = 23  # after a liquidation: what is not hedged any more, in the base asset
    REWARD_UNPRICED = 24  # paid, and no market priced it; value: units
    NOT_PAYABLE = 25  # a withdrawal waits; value: what is missing
    BUNDLE_DENIED = 26  # order_id: the RebalanceReason that would have added; reason: why it may not; value: how much


class AccountKind(IntEnum):
    """Ledger accounts of one asset. Wallets are assets; capital and results are what they came from."""

    CAPITAL = 0
    WALLET = 1
    REALIZED = 2
    FEES = 3
    FUNDING = 4


ACCOUNT_KINDS = len(AccountKind)


class SizeKind(IntEnum):
    FIXED = 1
    UNITS = 2
    PERCENTAGE = 3
    RISK = 4


class StopKind(IntEnum):
    NONE = 0
    PERCENT = 1
    ABSOLUTE = 2
    INDICATOR = 3
    ATR = 4
    TRAILING_PERCENT = 5
    TRAILING_VARIANT = 6
    PEAK = 7


class TargetKind(IntEnum):
    NONE = 0
    PERCENT = 1
    ABSOLUTE = 2
    INDICATOR = 3
    ATR = 4
    LADDER_PERCENT = 5
    LADDER_RETRACEMENT = 6


class PriceKind(IntEnum):
    """What an entry order's price is taken from."""

    CLOSE = 1
    NUMBER = 2
    VARIANT = 3
    BEST_BID = 4
    BEST_ASK = 5


class Trigger(IntEnum):
    """The price that sets a stop off."""

    TOUCH = 0
    LAST = 1
    MARK = 2


class SlippageKind(IntEnum):
    NONE = 0
    FIXED = 1
    IMPACT = 2
    RANDOM = 3


class Op(IntEnum):
    """Nodes of a rule, in postfix order."""

    GT = 1
    GE = 2
    LT = 3
    LE = 4
    EQ = 5
    NE = 6
    BETWEEN = 7
    CROSSES_ABOVE = 8
    CROSSES_BELOW = 9
    ALL = 20
    ANY = 21
    NOT = 22
    HOLD = 23
    SEQ = 24


BAR = _record(
    *_of("f8", "open high low close volume"),
    *_of("i8", "open_ns close_ns"),  # [open_ns, close_ns): usable at close_ns
)

EVENT = _record(
    *_of("i8", "kind phase instrument instance"),
    *_of("i8", "ts_event_ns ts_init_ns"),  # happened, known to us
    *_of("i8", "order_id order_slot reason is_maker"),
    *_of("f8", "open high low price qty"),  # open, of an order event above 0: STOP_UNTOUCHED
    *_of("f8", "rate amount"),
    *_of("f8", "stop_price"),  # of an order event: where the venue's trailing stop rests; not above 0: not said
    *_of("i8", "side order_kind tif reduce_only post_only expires_ns"),  # of what is wanted; expires_ns 0: never
    *_of("f8", "leverage stop_loss take_profit stop_loss_pct take_profit_pct"),  # pct: of the average entry price
)


TIER = _record(*_of("f8", "notional_max maintenance_rate leverage_max"))

INSTRUMENT = _record(
    *_of("f8", "price_increment lot_size multiplier min_notional"),  # an increment of 0: no rounding
    *_of("i8", "venue asset may_short is_margined tier_count"),
    ("tiers", TIER, (limits.TIERS_MAX,)),
    *_of("i8", "indicator_first indicator_count aggregate_first aggregate_count instance_first lock"),
    ("bar", BAR),  # the last closed bar
    *_of("f8", "mark funding_rate"),
    *_of("i8", "open_ns touched_ns bar_count"),
    *_of("f8", "last bid bid_qty ask ask_qty"),  # of the last print and the last quote received; NaN: none yet
    *_of("i8", "trade_tape quote_tape book_tape book tick_first tick_count"),  # -1: not kept; windowed indicators
    *_of("i8", "gap_ns"),  # how long nothing was heard before the gap that the event in hand tells of; else 0
)


AGGREGATE = _record(
    *_of("i8", "instrument period_ns indicator_first indicator_count is_open"),
    ("bar", BAR),
)

INDICATOR = _record(*_of("i8", "address base floats"))

NODE = _record(
    *_of("i8", "op left right right_high count memory"),  # left and right: value slots of the instance
    *_of("i8", "span_ns variant_left variant_right"),
)

STRATEGY = _record(
    *_of("i8", "family direction settle_asset"),
    ("section_first", "i8", (5,)),  # first node of each section, -1: none
    ("section_count", "i8", (5,)),
    ("section_is_stateful", "i8", (5,)),  # has crosses, hold or seq: evaluated every time
    *_of("i8", "z1_immediate order_kind order_tif order_post_only order_ttl_ns price_kind price_slot"),
    *_of("f8", "price_number price_offset_bps limit_offset_bps"),
    *_of("i8", "size_kind confidence_slot scale_slot scale_count"),
    *_of("f8", "size_value notional_min notional_max leverage"),
    ("scale_at", "f8", (limits.LADDER_STEPS_MAX,)),
    ("scale_by", "f8", (limits.LADDER_STEPS_MAX,)),
    *_of("i8", "stop_kind stop_of_signal stop_slot target_kind target_of_signal target_slot step_count base_slot"),
    *_of("i8", "stop_trigger stale_ns"),  # a gap this long is warned of while a position is held, and above 0 closes it
    *_of("f8", "stop_value stop_trail_pct target_value"),
    ("step_at", "f8", (limits.LADDER_STEPS_MAX,)),
    ("step_share_pct", "f8", (limits.LADDER_STEPS_MAX,)),
    *_of("i8", "o1_timeout_ns o1_cooldown_ns ze1_cooldown_ns e1_cooldown_ns e1_cancels_pending"),
    *_of("i8", "max_concurrent_positions max_daily_trades max_losses_in_row loss_cooldown_ns max_hold_ns"),
    *_of("f8", "daily_loss_pct min_risk_reward"),
    ("parameters", "f8", (limits.PARAMETERS_MAX,)),
    # live part
    *_of("i8", "slots_used trades_today losses_in_row"),
    *_of("f8", "realized_today day_start_unrealized"),
    *_of("i8", "loss_until_ns"),
)

COSTS = _record(
    *_of("f8", "taker_rate maker_rate slippage_bps slippage_coefficient participation"),  # participation 0: off
    *_of("f8", "depth_spreads"),  # ticks: what a taker pays for each touch quantity beyond the first
    *_of("i8", "slippage_kind is_unfunded"),  # is_unfunded: pays and gets no funding
)

INSTANCE = _record(
    *_of("i8", "strategy instrument next state state_since_ns value_base memory_base"),
    *_of("i8", "signal_id signal_ns cooldown_until_ns suppressed_for timer_ns"),
    *_of("f8", "signal_price high_since_signal low_since_signal planned_stop planned_target confidence"),
    # of a retracement: at the decision to enter, at the signal; of an outside strategy: percent of target and stop
    *_of("f8", "planned_extreme planned_base signal_base"),
    *_of("i8", "order_first exit_role end_reason own_first own_count killed"),
    ("costs", COSTS),
    ("verdicts", "i8", (5,)),  # of the sections at the last evaluation
)

POSITION = _record(
    *_of("f8", "qty entry_price leverage margin liquidation_price unrealized"),  # qty > 0 long, < 0 short
    *_of("f8", "realized fees funding slippage"),  # of the trade that is open
    *_of("f8", "entry_qty entry_value exit_qty exit_value best_price"),
    *_of("i8", "opened_ns closed_ns signal_id trade_id"),
)

ORDER = _record(
    *_of("i8", "id instance instrument side kind tif role state reason reduce_only post_only"),
    *_of("f8", "qty filled_qty filled_value price stop_price trail_pct trail_distance arm_price"),
    *_of("f8", "reference_price reserved_margin leverage best_price"),
    *_of("i8", "submitted_ns expires_ns signal_id oco is_triggered is_resting fill_count step next trigger"),
    *_of("i8", "is_moved"),  # at the venue of bars: a trailing stop that the extreme of the last bar moved or armed
)

ACCOUNT_LIMITS = _record(
    *_of("f8", "max_position_pct max_symbol_pct daily_loss_pct max_drawdown_pct max_margin_pct max_leverage"),
    *_of("f8", "max_order_notional price_band_pct max_portfolio_pct"),  # NaN: off
    *_of("i8", "max_positions"),
)

STATISTICS = _record(
    *_of("f8", "fees funding slippage turnover max_drawdown_pct peak_equity deepest_equity equity_sum"),
    *_of("i8", "exposed_ns exposed_since_ns first_ns last_ns peak_ns longest_drawdown_ns record_count"),
    *_of("i8", "unknown_slippage_count"),  # fills that are in no sum of slippage
)


STATE = _record(
    *_of("i8", "seq ts_ns day day_end_ns trade_count signal_count next_timer_ns"),
    ("hash", "u8"),
    *_of("i8", "instrument_count aggregate_count indicator_count strategy_count instance_count"),
    *_of("i8", "node_count order_count order_high open_position_count check_count check_first book_count"),
    *_of("i8", "killed drawdown_stopped daily_stopped_day drawdown_warned session asset_count touched_count"),
    *_of("i8", "ruined"),  # 1 from the first record at which equity is not above 0, until an operator re-arms
    *_of(
        "i8",
        "value_slot_count memory_count free_count arena_floats id_count candidate_count tape_count edge_count is_grid",
    ),
    *_of("i8", "trails_by_variant"),  # on bars: trailing stops hear of a bar that ended before anybody decides on it
    *_of("f8", "capital unrealized equity equity_peak day_start_equity reserved_margin used_margin alarm_equity"),
    ("limits", ACCOUNT_LIMITS),
    ("statistics", STATISTICS),
    ("balances", "f8", (limits.ACCOUNTS_MAX,)),  # ledger: asset * ACCOUNT_KINDS + kind
    ("touched", "i8", (limits.INSTRUMENTS_MAX,)),
    ("candidates", "i8", (limits.INSTANCES_MAX,)),
    ("instruments", INSTRUMENT, (limits.INSTRUMENTS_MAX,)),
    ("aggregates", AGGREGATE, (limits.AGGREGATES_MAX,)),
    ("indicators", INDICATOR, (limits.INDICATORS_MAX,)),
    ("strategies", STRATEGY, (limits.STRATEGIES_MAX,)),
    ("nodes", NODE, (limits.NODES_MAX,)),
    ("instances", INSTANCE, (limits.INSTANCES_MAX,)),
    ("positions", POSITION, (limits.INSTANCES_MAX,)),
    ("orders", ORDER, (limits.ORDERS_MAX,)),
    ("order_free", "i8", (limits.ORDERS_MAX,)),
    ("value_slots", "i8", (limits.VALUE_SLOTS_MAX,)),
    ("memory_ns", "i8", (limits.MEMORY_NS_MAX,)),
    ("tapes", TAPE, (limits.TAPES_MAX,)),
    ("edges", EDGE, (limits.EDGES_MAX,)),
    ("on_demand", ON_DEMAND, (limits.INSTRUMENTS_MAX,)),
    ("is_on_demand", "i8"),  # 1: nobody but the strategies reads between two events
    ("books", BOOK, (limits.INSTRUMENTS_MAX,)),
    ("carry", CARRY),
)

LOG_ROW = _record(
    *_of("i8", "kind ts_ns seq instrument instance order_id slot signal_id code reason"),
    *_of("i8", "side order_kind tif role reduce_only post_only is_maker expires_ns entry_ns exit_ns oco trigger"),
    *_of("f8", "qty price stop_price trail_pct trail_distance arm_price leverage exit_price"),
    *_of("f8", "fee pnl funding slippage value threshold"),
)

# The simulated venue keeps books of its own, as a real one does: it never reads State.
VENUE_INSTRUMENT = _record(
    ("rules", INSTRUMENT),
    *_of("f8", "open high low close volume volume_left mark"),
    *_of("i8", "open_ns close_ns order_first order_last position_first stage"),
    *_of("i8", "trailing_count expires_next_ns has_participation"),  # what need not be looked for in every bar
    *_of("f8", "last print_left"),  # of ticks; print_left: what of the print in hand is not used yet
    *_of("i8", "bid_count ask_count feed_latency_ns heard_ns has_book is_known last_seq"),  # is_known: of the book
    ("bids", LEVEL, (limits.LEVELS_MAX,)),  # best last
    ("asks", LEVEL, (limits.LEVELS_MAX,)),
)

VENUE = _record(
    *_of("i8", "seed ts_ns instrument_count instance_count order_count position_count free_count order_high"),
    *_of("i8", "inbox_count inbox_taken"),
    ("instruments", VENUE_INSTRUMENT, (limits.INSTRUMENTS_MAX,)),
    ("costs", COSTS, (limits.INSTANCES_MAX,)),
    ("instance_instrument", "i8", (limits.INSTANCES_MAX,)),
    ("instance_next", "i8", (limits.INSTANCES_MAX,)),
    ("positions", POSITION, (limits.INSTANCES_MAX,)),
    ("orders", ORDER, (limits.ORDERS_MAX,)),
    ("order_slot", "i8", (limits.ORDERS_MAX,)),  # the sender's slot, given back with every event
    ("order_free", "i8", (limits.ORDERS_MAX,)),
    ("inbox", EVENT, (limits.INBOX_MAX,)),
    *_of("i8", "submit_ns cancel_ns response_ns delay_ns halt_ns is_recorded queue_kind is_partial expires_next_ns"),
    *_of("i8", "request_count request_taken"),
    ("requests", LOG_ROW, (limits.REQUESTS_MAX,)),  # on their way here: due at exit_ns
    ("queue_power", "f8"),
    ("wallet", "f8"),  # in the settle asset: capital, realised results, fees, funding
    ("queue_ahead", "f8", (limits.ORDERS_MAX,)),
    ("queue_traded", "f8", (limits.ORDERS_MAX,)),
)


class Stage(IntEnum):
    """Where in a bar the venue is: what an order that arrives now can meet."""

    BETWEEN = 0  # no price is in force: an order waits for the next bar
    AT_OPEN = 1  # the open of the bar that begins now
    IN_BAR = 2  # inside the bar that ends now


EQUITY = _record(("ts_ns", "i8"), *_of("f8", "equity cash"))

STREAM = _record(
    *_of("i8", "kind instrument at end is_closing next_ns next_phase"),
    *_of("i8", "clock offset_ns is_last period_ns last_id"),  # of ticks
)
RATE = _record(("ts_ns", "i8"), ("rate", "f8"))
