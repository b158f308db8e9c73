"""Enumerations of the domain: kinds of events and log rows, states, reasons, and the choices of a strategy file.

Values are part of stored results and of the rolling hash: add members, never renumber them. Compiled code compares an
integer field with a member (``kind == EventKind.TRADE``) and stores its plain integer (``EventKind.TRADE.value``).
"""

from enum import IntEnum


class EventKind(IntEnum):
    """Facts from outside the step, in the past tense. ``core/domain/events.py`` says which fields each kind uses."""

    BAR_OPENED = 1
    BAR_CLOSED = 2
    FUNDING_RATE = 3  # the venue published or settled a rate
    FUNDING_PAID = 4  # the venue credited (positive) or debited one instance
    ORDER_ACCEPTED = 5
    ORDER_REJECTED = 6  # by the venue
    ORDER_FILLED = 7
    ORDER_CANCELED = 8
    ORDER_EXPIRED = 9
    ORDER_UNKNOWN = 10  # sent, and the venue did not answer: the outcome is not known
    TIMER = 11  # time passed: for the windows of one instrument, or for the timers of instances
    KILL_SWITCH = 12
    REARMED = 13  # an operator lifts a drawdown stop
    TRADE = 14  # a public print
    QUOTE = 15  # best bid and ask
    DATA_GAP = 16  # what happened since the last event of the instrument is not known; windows over it are UNKNOWN
    # Requests decided outside of the step, for one instance; they pass the same checks as the core's own orders.
    ORDER_REQUESTED = 17
    CANCEL_REQUESTED = 18
    PROTECTION_REQUESTED = 19
    BOOK_LEVEL = 20  # one level of an order book
    # What only a venue and a session tell: corrections of what we believe, rules and states of the session.
    CANCEL_REJECTED = 21  # the order goes on
    AMENDED = 22  # an amend was confirmed or refused
    FILL_FOUND = 23  # an execution that no open order of ours explains
    POSITION_CORRECTED = 24
    BALANCE_CORRECTED = 25
    INSTRUMENT_CHANGED = 26
    SESSION_CONTROL = 27
    FEED_STATE = 28
    MARK_REPORTED = 29
    # Kinds of a carry run.
    SERIES_UPDATED = 30
    FUNDING_SETTLED = 31
    REWARD_PAID = 32
    CAPITAL_FLOW = 33
    SIGNAL_RECEIVED = 34
    INSTRUCTION_EXECUTED = 35
    BUNDLE_ENDED = 36
    PERP_LIQUIDATED = 37
    DEBT_LIQUIDATED = 38
    SNAPSHOT_COMPLETE = 39  # every value known at this time has been delivered: decide
    SNAPSHOT_CLOSED = 40  # and everything decided on it has been executed
    SETTLEMENT_PUBLISHED = 41  # market data: a funding rate settles; the venue answers with FUNDING_SETTLED
    REWARD_PUBLISHED = 42  # market data: a period of rewards begins or ends; the venue answers with REWARD_PAID
    BUNDLE_UNKNOWN = 43  # sent, and no answer came: BUNDLE_ENDED follows once it was looked up


class Phase(IntEnum):
    """Flags of an event: what is due once it has been applied."""

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


class VenueState(IntEnum):
    """Flags of ``ORDER.venue_state``: what is not known of an order, beside its state, so that no cancel hides it."""

    KNOWN = 0
    UNKNOWN = 1  # something that was sent for it has no answer yet


class Role(IntEnum):
    """Why an order exists; for an exit, the reason recorded for the end of the trade."""

    ENTRY = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    TRAILING = 4
    ZE1 = 5
    E1 = 6
    TIME = 7
    LIQUIDATION = 8
    MANUAL = 9
    STRATEGY = 10  # an exit requested from outside the step


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
    """Why a strategy family is called."""

    DECIDE = 1  # an evaluation: exits and cancels; returns 1 when the instance wants to enter
    ENTER = 2  # its turn, by confidence, among the candidates for entry
    FILLED = 3  # its position changed
    ORDER_ENDED = 4  # one of its orders was rejected, canceled or expired
    TIMER = 5  # its timer is due
    KILL = 6  # cancel entry orders, flatten the position
    PROTECT = 7  # its planned stop or target was changed by a request
    TRAIL = 8  # a bar closed: recompute the distance of a trailing stop
    FOUND = 9  # it holds what a fill after its order's end brought, and the plan of that order is gone
    SILENT = 10  # nothing was received of its instrument for as long as ``gap_ns`` says


class Section(IntEnum):
    S1 = 0
    O1 = 1
    Z1 = 2
    ZE1 = 3
    E1 = 4


class Reason(IntEnum):
    """Why an order was denied, rejected or ended, or a section suppressed. Each check names its own in its file."""

    NONE = 0
    # guards of section S1
    COOLDOWN = 1
    SLOTS_FULL = 2
    SYMBOL_LOCKED = 3
    KILL_SWITCH = 4
    # denials before any check
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
    INSUFFICIENT_CASH = 37  # of a check; of a spot venue too, when the price rose before the fill
    RUINED = 38
    LEVERAGE_UNKNOWN = 40  # of a request: not a number above 0
    STOP_AT_ZERO = 39  # before any check: no price reaches a stop at 0 or below
    BASE_BEYOND_PEAK = 41  # of a retracement target: base beyond peak, so there is no move to retrace
    # by the venue
    POST_ONLY_WOULD_TAKE = 50
    NOTHING_TO_REDUCE = 51
    UNFILLED_IOC = 52
    UNFILLED_FOK = 53
    TTL = 54
    OCO = 55
    LIQUIDATED = 56
    SELF_TRADE = 57
    TOO_LATE = 58  # late reply to an amend: the order had already ended
    WOULD_TRIGGER = 59  # a stop whose price had been passed already
    # ends of a signal
    O1_TRUE = 60
    O1_TIMEOUT = 61
    ENTRY_UNFILLED = 62
    E1_TRUE = 63
    EXIT = 64
    OPERATOR = 65
    STRATEGY = 66  # requested from outside the step
    FEED_SILENT = 67  # E1 by on_stale
    # of a session: by the venue, or by a check
    NOT_AT_VENUE = 70  # a look-up proved that it never arrived
    PAUSED = 71
    NOT_READY = 72
    RULES_CHANGED = 73  # increments, sizes or bands of the venue are others than ours were
    DELISTED = 74  # or halted
    ABOVE_QTY_MAX = 75  # it, or the market order that would close it, is larger than the venue takes
    FOREIGN_HELD = 76  # the account holds a position on the instrument that is not ours
    UNKNOWN_OUTCOME = 200  # something that was sent may have been executed, and would be a second one


class RowKind(IntEnum):
    """Kinds of rows in the log. SUBMIT, CANCEL, AMEND and INSTRUCT are commands to the executor; all are recorded."""

    SUBMIT = 1
    CANCEL = 2
    AMEND = 3
    ORDER = 4  # an order changed its state
    FILL = 5
    TRADE = 6  # a round trip ended
    SECTION = 7  # a section of rules became true, or was suppressed
    CONDITION = 8  # one condition of the section in the row above
    TRANSITION = 9  # an instance changed its state
    WARNING = 10
    FUNDING = 11
    INSTRUCT = 12  # a carry command: one instruction of a bundle
    INSTRUCTION_EXECUTED = 13
    BUNDLE = 14  # a bundle ended
    MONITOR = 15  # a monitored quantity changed its alert level


class WarningCode(IntEnum):
    DAILY_LOSS_STOP = 1
    DRAWDOWN_STOP = 2
    DRAWDOWN_NEAR = 3
    CROSSED_HOLE = 4
    LIQUIDATED = 5
    UNKNOWN_ORDER = 6  # an event of an order that is not open
    ILLEGAL_EVENT = 7  # an event that the order's state does not allow
    KILLED = 8
    FEED_SILENT = 9  # a data gap while a position is held; value: seconds without data before it
    RUINED = 10  # first equity record at or below 0; value: that equity
    SIZE_REDUCED = 11  # a percentage size exceeded free cash; order_id: the entry, value: the size wanted
    STOP_UNTOUCHED = 12  # the market passed the stop in the entry's bar, before the entry; value: the open of that bar
    MARGIN_LOW = 20  # carry: below its warn band; value: the ratio
    BAND_LEFT = 21  # order_id: the RebalanceReason; value: the measured quantity
    ROLLED_BACK = 22  # order_id: the bundle; value: the Rollback code
    DELTA_LEFT = 23  # after a liquidation; value: the quantity no longer hedged, in the base asset
    REWARD_UNPRICED = 24  # a reward was paid and has no market price; value: units
    NOT_PAYABLE = 25  # a withdrawal waits for cash; value: the amount missing
    BUNDLE_DENIED = 26  # order_id: the RebalanceReason that may send nothing; reason: why; value: how much
    OUTCOME_UNKNOWN = 27  # no answer came to a bundle; order_id: the bundle
    REPEATED_FILL = 30  # an execution that was booked before; value: its quantity
    MISSING_FILL = 31  # the venue has filled more than it told us of; value: the quantity
    FOREIGN = 32  # an execution that is not ours; value: the signed quantity that is held outside from now on
    CORRECTED = 33  # position or balance set to what the venue has; value: the difference, reason: a Correction
    NOT_PROTECTED = 34  # a stop was refused for the last time: the position is closed; value: refused in a row
    POISON = 35  # an event that broke the step was left out; value: its seq


class AccountKind(IntEnum):
    """Ledger accounts of one asset. WALLET is the asset; the others say where it came from (contra accounts).

    EXTERNAL is the part of the venue's wallet that is not ours. It is the counter-account of every correction.
    """

    CAPITAL = 0
    WALLET = 1
    REALIZED = 2
    FEES = 3
    FUNDING = 4
    EXTERNAL = 5


ACCOUNT_KINDS = len(AccountKind)


class Origin(IntEnum):
    """Who asked for the execution of a FILL_FOUND."""

    ORDER = 0  # an order of ours that the venue tells of late
    LOST = 1  # an order of ours that State does not know any more: its plan is gone
    MANUAL = 2  # others, who trade on the account
    LIQUIDATION = 3
    ADL = 4  # auto-deleveraging
    DELISTING = 5


class Correction(IntEnum):
    """Why a balance or position is corrected. The first four move what is outside, never equity."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    TRANSFER = 3
    FOREIGN = 4  # results, fees and funding of holdings that are not ours
    FEE = 5  # of a fill whose fee was estimated or reported wrong
    UNEXPLAINED = 6
    POSITION = 7


class SessionControl(IntEnum):
    """What a SESSION_CONTROL says."""

    READY = 1  # our view and the venue's agree
    NOT_READY = 2
    PAUSED = 3
    RESUMED = 4
    STOP_KEEP = 5  # the session ends: no entries, positions and their stops stay
    STOP_FLATTEN = 6  # the session ends: no entries, positions are closed


class Pause(IntEnum):
    """Flags of ``STATE.paused``."""

    NONE = 0
    PAUSED = 1
    STOPPING = 2  # final


class FeedState(IntEnum):
    """What a FEED_STATE says of an instrument's feed."""

    UP = 0
    SILENT = 1  # connected, and nothing came
    DOWN = 2


class TradingStatus(IntEnum):
    """Whether a venue takes entries of an instrument."""

    TRADING = 0
    HALTED = 1
    DELISTED = 2


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
    """Where the price of an entry order comes from."""

    CLOSE = 1
    NUMBER = 2
    VARIANT = 3
    BEST_BID = 4
    BEST_ASK = 5


class Trigger(IntEnum):
    """The price that triggers a stop."""

    TOUCH = 0
    LAST = 1
    MARK = 2


class SlippageKind(IntEnum):
    NONE = 0
    FIXED = 1
    IMPACT = 2
    RANDOM = 3


class Op(IntEnum):
    """Operators of the nodes of a rule, which stand in postfix order."""

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


class Stage(IntEnum):
    """Where in a bar the venue is: which price an order that arrives now can fill at."""

    BETWEEN = 0  # no price is in force: an order waits for the next open
    AT_OPEN = 1  # the open of the bar that begins now is in force
    IN_BAR = 2  # inside the range of the bar that ends now
