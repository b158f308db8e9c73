"""The domain of carry: capital over several venues, the legs it earns by, and what is asked of the venues.

A *series* is a number that the outside gives: a price, a mark, an index, a rate. A *balance* is an amount of one token
in one place. Supplied and borrowed amounts are scaled: they never change by interest, the index does. A *holding* is a
perpetual position. The value of a balance is sign x amount x index x rate x price, in the share class.

INSTRUCTION_EXECUTED says: order_id = bundle, reason = Instruction, instrument = the balance that gives, instance =
the balance that takes (or the holding), qty = given, amount = taken, price = at which, rate = fee, is_maker = the
balance that pays it (-1: none), side = the leg, stop_loss and take_profit of a directional holding.
"""

from enum import IntEnum

from tightloop.core import limits
from tightloop.core.domain.records import of, record

GO = 0
"""The code of the row that ends a bundle: run it."""
GWEI = 1e-9
"""In ETH."""
ALONE, STAGE = 1, 2
"""What ``is_pending`` says of a bundle: it stands alone, or is a stage of a task that is tried again."""


SMALL_BELOW, MEDIUM_BELOW = 50_000.0, 500_000.0
"""USD: where the cost of a trade of one size ends and that of the next begins; ``fee_rate`` is that of the largest."""


class SeriesKind(IntEnum):
    """What a series is; the order in which values of one instant are told (indices, rates, prices, marks)."""

    LIQUIDITY_INDEX = 1
    BORROW_INDEX = 2
    RATE = 3  # of an LST, in ETH: what it is minted and redeemed at
    MARKET_RATE = 4  # what a swap pays for it
    SUPPLIED = 5
    BORROWED = 6
    GAS = 7  # gwei
    PRICE = 8
    MARK = 9
    HIGH = 10
    LOW = 11
    RATE_BASE = 12  # of the model of a pool's interest: what borrowing costs at a utilisation of 0
    RATE_BELOW = 13  # and so much more at the optimal utilisation
    RATE_ABOVE = 14  # and so much more again at 1
    RATE_OPTIMAL = 15
    RESERVE_FACTOR = 16  # what the pool keeps of the interest


class BalanceKind(IntEnum):
    """Where an amount is, and so what can be done with it."""

    WALLET = 1  # on chain, ours
    VENUE = 2  # at an exchange: cash, coins, the margin of its perpetuals
    SUPPLIED = 3  # aToken, scaled
    DEBT = 4  # scaled
    LST = 5
    REWARD = 6
    GAS = 7  # owed
    TRANSIT = 8
    QUEUE = 9  # waits to be redeemed
    FLASH = 10  # owed within a bundle


class Instruction(IntEnum):
    """The vocabulary of what is asked of venues and chains."""

    SPOT_BUY = 1
    SPOT_SELL = 2
    PERP_TRADE = 3
    TRANSFER = 4
    SUPPLY = 5
    WITHDRAW = 6
    BORROW = 7
    REPAY = 8
    STAKE = 9
    SWAP = 10  # an LST sold on the market
    REDEEM = 11  # an LST given to the queue of its protocol
    FLASH_BORROW = 12
    FLASH_REPAY = 13
    WRAP = 14  # ETH and WETH, either way
    GAS = 15
    PAY_OUT = 16
    SELL_DUST = 17
    ARRIVED = 18  # what was on its way is there


class Rollback(IntEnum):
    """Why a bundle did not take place."""

    NONE = 0
    NOT_ENOUGH = 1  # a balance would be negative
    HEALTH_FACTOR = 2
    LTV = 3
    LIQUIDITY = 4  # the pool has not so much
    FLASH_OPEN = 5  # what was borrowed for the bundle is not paid back
    PRICE_UNKNOWN = 6
    MARGIN = 7
    FORCED = 8  # a test asked for it


class PnlComponent(IntEnum):
    """Where profit comes from; all of them add up to the change of equity."""

    SUPPLY_YIELD = 0
    STAKING_YIELD_ORACLE = 1
    STAKING_YIELD_REWARDS = 2
    BORROW_COSTS = 3
    FUNDING_PNL = 4
    DELTA_PNL = 5
    BASIS_PNL = 6
    DUST_PNL = 7
    TRANSACTION_COSTS = 8
    LIQUIDATION_PNL = 9


BUCKETS = len(PnlComponent)
assert BUCKETS <= limits.BUCKETS_MAX


class ContraAccount(IntEnum):
    """The other side of what enters and leaves balances, for each token: with them the books add up to zero."""

    CAPITAL = 0
    CONVERTED = 1
    COSTS = 2
    FUNDING = 3
    REALIZED = 4
    REWARDS = 5
    SEIZED = 6
    IMPACT = 7  # interest that our own size made smaller, or debt that it made larger


COUNTERS = len(ContraAccount)


class LegKind(IntEnum):
    """What a leg earns by."""

    SPOT = 1
    LEND = 2
    STAKE = 3
    LOOP = 4
    PERP = 5


class LegSize(IntEnum):
    """What a size is counted in."""

    ALL = 1
    WEIGHT = 2
    NOTIONAL = 3
    UNITS = 4
    MATCH = 5


class LegState(IntEnum):
    """Whether a leg is held."""

    WAITING = 0
    HELD = 1
    LIQUIDATED = 2


class Task(IntEnum):
    """What the allocator is in the middle of: bundles follow each other until it is done."""

    NONE = 0
    ENTER = 1
    REDUCE = 2
    PAY = 3


class RebalanceReason(IntEnum):
    """Which rule acted."""

    LIQUIDATION = 1
    HEALTH_FACTOR = 2
    MARGIN = 3
    DELTA = 4
    LTV = 5
    EQUITY = 6
    WITHDRAWAL = 7
    DEPOSIT = 8
    DUST = 9
    ENTRY = 10
    SIGNAL = 11


BANDS = 16
"""Room for a number by rule."""
assert len(RebalanceReason) < BANDS, "every rule has a place"


class Monitor(IntEnum):
    """What is watched at the end of every instant; a change of its level is an event."""

    HEALTH_FACTOR = 0
    LTV = 1  # over the liquidation threshold
    MARGIN = 2
    DELTA = 3
    FUNDING = 4  # the last rate, as it is for us
    PEG = 5  # the market's discount on an LST
    UTILISATION = 6


MONITORS = len(Monitor)


class Level(IntEnum):
    """How bad it is."""

    UNKNOWN = 0
    SAFE = 1
    CAUTION = 2
    WARNING = 3
    CRITICAL = 4


SERIES = record(*of("i8", "kind"), *of("f8", "now"))

ASSET = record(*of("i8", "price_series"), *of("f8", "usd price"))  # price: in the share class; series -1: usd is 1

BALANCE = record(
    *of("i8", "venue kind token asset index_series rate_series sign may_be_negative earns"),  # a series of -1: 1
    *of("f8", "amount"),  # owed when sign is -1
)

HOLDING = record(
    *of("i8", "venue base quote mark_series cash leg opened_ns settled_ns is_liquidated high_series low_series"),
    *of("f8", "qty entry mark spot unrealized funding fees realized weight stop target before"),
    *of("f8", "fee_rate rate_small rate_medium"),
)  # mark and spot: of the perp and of its base, in the quote; before: the mark at the instant before

RESERVE = record(
    *of("i8", "liquidity_index borrow_index supplied borrowed base below above optimal reserve_factor"),
)  # series of a pool's asset; those of the model are -1 unless our own size counts
RESERVES = limits.SERIES_MAX // 3
"""Each has an index and two totals of its own."""

BOOKS = record(
    *of("i8", "series_count asset_count token_count balance_count holding_count share reserve_count has_impact"),
    ("series", SERIES, (limits.SERIES_MAX,)),
    ("assets", ASSET, (limits.ASSETS_MAX,)),
    ("balances", BALANCE, (limits.BALANCES_MAX,)),
    ("holdings", HOLDING, (limits.HOLDINGS_MAX,)),
    ("reserves", RESERVE, (RESERVES,)),
    ("counters", "f8", (limits.TOKENS_MAX * COUNTERS,)),
)

LEG = record(
    *of("i8", "kind state size_kind match source price_series side exit is_signal wraps"),
    *of("i8", "input venue_cash coin product debt borrowed flash base weth lst queue gas_borrow"),  # balances
    *of("i8", "market_series supplied_series borrowed_series unwrapped"),  # unwrapped: the coin of a borrowed WETH
    *of("i8", "holding_first holding_count margin_kind queue_ns gas_enter gas_exit predicted_ns"),
    *of("f8", "size margin_size fee_rate rate_small rate_medium swap_rate"),
    *of("f8", "ltv max_ltv threshold bonus flash_rate entry_hf_min"),
    *of("f8", "fresh wanted_side wanted_sd confidence confidence_min stop_sd target_sd sd_floor sd_cap"),
)

CARRY = record(
    *of("i8", "address family leg_count cash gas_balance gas_series gas_asset gas_transfer delay_ns"),
    *of("i8", "task stage bundle_id is_pending transit_count blocked_ns has_entered is_legacy gas_twice fee_in_amount"),
    *of("i8", "settlement_count resize_count rebalance_count rollback_count bundle_count band is_fast"),
    *of("i8", "pay_ns pay_count warn_ns low_ns margin_min_ns hf_min_ns is_warned is_unpayable liquidation_count"),
    *of("i8", "killed is_denied paused_stage paused_band paused_first measured_ns"),  # killed: bits of scopes
    *of("f8", "equity_band delta_band ltv_band hf_floor margin_warn margin_resize margin_low dust"),  # NaN: off
    *of("f8", "reserve gas_multiplier transfer_fee nav units unit_price flows last_nav base share payable deposited"),
    *of("f8", "margin_min hf_min hf_start hf ltv margin_ratio delta fees gas_cost rate_sum initial funding_rate"),
    *of("f8", "peak_unit drawdown_pct paused_base"),
    *of("f8", "hf_low ltv_high used_high margin_worst"),  # of the instant in hand, before and after what was done
    ("monitors", "f8", (MONITORS,)),
    ("levels", "i8", (MONITORS,)),
    ("denied", "i8", (BANDS,)),  # by rule: the reason for which it may not act, as it was said last
    ("buckets", "f8", (limits.BUCKETS_MAX,)),
    ("legs", LEG, (limits.LEGS_MAX,)),
    ("books", BOOKS),
)

TRANSIT = record(*of("i8", "source target due_ns"), *of("f8", "amount"))

REQUEST = record(
    *of("i8", "op source target fee_balance holding series leg"), *of("f8", "qty amount fee_rate stop target_price")
)
