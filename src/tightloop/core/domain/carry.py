"""Records and enums of carry: capital on several venues, the legs that earn, the instructions to venues.

A *series* is an external value over time: a price, a mark, an index, a rate. A *balance* is an amount of one token in
one place. A *holding* is a perpetual position: the fields of a POSITION, with its margin account (a balance) and its
market. A *leg* is one source of income: spot coins, a loan, a stake, a leveraged loop, a perpetual. Supplied and
borrowed amounts are scaled: interest grows the index, never the amount. The value of a balance is sign x amount x index
x rate x price, in the share class (the asset the fund is accounted in).

Fields of an INSTRUCTION_EXECUTED event: order_id = bundle, reason = Instruction, instrument = source balance, instance
= target balance (of PERP_TRADE: the holding), qty = amount given, amount = amount received, price = execution price,
rate = fee, is_maker = balance that pays the fee (-1: none), side = leg, stop_loss and take_profit of a directional
holding.
"""

from enum import IntEnum

from tightloop.core import limits
from tightloop.core.domain.position import POSITION_FIELDS
from tightloop.core.domain.records import of, record

GO = 0
"""Code of the INSTRUCT row that ends a bundle and has it executed."""
GWEI = 1e-9
"""ETH per gwei."""


SMALL_BELOW, MEDIUM_BELOW = 50_000.0, 500_000.0
"""USD notional: trades below the first pay ``rate_small``, below the second ``rate_medium``, others ``fee_rate``."""


class SeriesKind(IntEnum):
    """Kind of a series. Values of one instant are applied in this order: indices, rates, prices, marks."""

    LIQUIDITY_INDEX = 1
    BORROW_INDEX = 2
    RATE = 3  # exchange rate of an LST in ETH: what it is minted and redeemed at
    MARKET_RATE = 4  # market price of an LST in ETH: what a swap pays
    SUPPLIED = 5  # total of the pool, in its asset
    BORROWED = 6
    GAS = 7  # gwei
    PRICE = 8
    MARK = 9
    HIGH = 10
    LOW = 11
    RATE_BASE = 12  # of a pool's interest model, yearly fractions: borrow rate at utilisation 0
    RATE_BELOW = 13  # added up to the optimal utilisation
    RATE_ABOVE = 14  # added again up to utilisation 1
    RATE_OPTIMAL = 15  # utilisation at the kink
    RESERVE_FACTOR = 16  # share of the interest that the pool keeps


class BalanceKind(IntEnum):
    """Where an amount is held, and so what can be done with it."""

    WALLET = 1  # on chain, in our wallet
    VENUE = 2  # at an exchange: cash, coins, margin of perpetuals
    SUPPLIED = 3  # aToken, scaled
    DEBT = 4  # variable debt, scaled
    LST = 5
    REWARD = 6
    GAS = 7  # gas owed, not yet paid
    TRANSIT = 8  # on its way between two places
    QUEUE = 9  # in the redemption queue of a protocol
    FLASH = 10  # flash loan, owed within one bundle


class Instruction(IntEnum):
    """Instructions to venues and chains."""

    SPOT_BUY = 1
    SPOT_SELL = 2
    PERP_TRADE = 3
    TRANSFER = 4
    SUPPLY = 5
    WITHDRAW = 6
    BORROW = 7
    REPAY = 8
    STAKE = 9
    SWAP = 10  # sell an LST on the market
    REDEEM = 11  # put an LST into its protocol's redemption queue
    FLASH_BORROW = 12
    FLASH_REPAY = 13
    WRAP = 14  # ETH to WETH or back
    GAS = 15
    PAY_OUT = 16
    SELL_DUST = 17  # sell small reward balances
    ARRIVED = 18  # a transfer or redemption completed


class Rollback(IntEnum):
    """Why a bundle was not executed."""

    NONE = 0
    NOT_ENOUGH = 1  # a balance would be negative
    HEALTH_FACTOR = 2
    LTV = 3
    LIQUIDITY = 4  # insufficient pool liquidity
    FLASH_OPEN = 5  # the flash loan was not paid back
    PRICE_UNKNOWN = 6
    MARGIN = 7
    FORCED = 8  # requested by a test


class PnlComponent(IntEnum):
    """P&L attribution; the components add up to the change of equity."""

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
    """Counter-accounts of balances, for each token; with them the books of a token sum to zero."""

    CAPITAL = 0
    CONVERTED = 1
    COSTS = 2
    FUNDING = 3
    REALIZED = 4
    REWARDS = 5
    SEIZED = 6
    IMPACT = 7  # interest lost (or debt added) through our own size in the pool


COUNTERS = len(ContraAccount)


class LegKind(IntEnum):
    """How a leg earns."""

    SPOT = 1
    LEND = 2
    STAKE = 3
    LOOP = 4
    PERP = 5


class LegSize(IntEnum):
    """The unit of a size."""

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
    """The multi-bundle task in progress."""

    NONE = 0
    ENTER = 1
    REDUCE = 2
    PAY = 3


class StageOf(IntEnum):
    """What a bundle is a stage of, to be retried after a rollback."""

    NOTHING = 0
    TASK = 1  # in progress
    PAUSED = 2  # the entry that is paused


class RebalanceReason(IntEnum):
    """The rule that caused a bundle."""

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
"""Length of an array indexed by RebalanceReason."""
assert len(RebalanceReason) < BANDS, "every rule has a place"


class Monitor(IntEnum):
    """Quantities monitored at the end of every instant; a change of level is logged."""

    HEALTH_FACTOR = 0
    LTV = 1  # loan to value as a share of the liquidation threshold
    MARGIN = 2
    DELTA = 3
    FUNDING = 4  # last funding rate, signed as received by our position
    PEG = 5  # market discount of an LST to its exchange rate
    UTILISATION = 6


MONITORS = len(Monitor)


class Level(IntEnum):
    """Severity."""

    UNKNOWN = 0
    SAFE = 1
    CAUTION = 2
    WARNING = 3
    CRITICAL = 4


SERIES = record(*of("i8", "kind"), *of("f8", "now"))

ASSET = record(
    *of("i8", "price_series"), *of("f8", "usd price")
)  # price in the share class; price_series -1: usd stays 1

BALANCE = record(
    *of(
        "i8", "venue kind token asset index_series rate_series sign may_be_negative earns"
    ),  # a series of -1 counts as 1
    *of("f8", "amount"),  # owed when sign is -1; never negative itself
)

HOLDING = record(
    # The fields of a POSITION do not come first: numba would pass a HOLDING as a POSITION, by its prefix, and warn.
    *of("i8", "venue base quote mark_series margin_account leg settled_ns is_liquidated high_series low_series"),
    *POSITION_FIELDS,  # margin and leverage stay 0: margin is shared by a venue, and lies in the margin account
    *of("f8", "mark spot weight stop target before"),
    *of("f8", "fee_rate rate_small rate_medium"),
)  # mark, spot: of the perpetual and of its base, in quote units; before: mark at the previous instant

RESERVE = record(
    *of("i8", "liquidity_index borrow_index supplied borrowed base below above optimal reserve_factor"),
)  # series of a pool's asset; those of the rate model are -1 unless market impact is on
RESERVES = limits.SERIES_MAX // 3
"""Each reserve needs at least three series: an index and two totals."""

BOOKS = record(
    *of("i8", "series_count asset_count token_count balance_count holding_count share reserve_count has_impact"),
    ("series", SERIES, (limits.SERIES_MAX,)),
    ("assets", ASSET, (limits.ASSETS_MAX,)),
    ("balances", BALANCE, (limits.BALANCES_MAX,)),
    ("holdings", HOLDING, (limits.HOLDINGS_MAX,)),
    ("reserves", RESERVE, (RESERVES,)),
    ("counters", "f8", (limits.TOKENS_MAX * COUNTERS,)),
    ("hash", "u8"),  # of all postings, in order
)

LEG = record(
    *of("i8", "kind state size_kind match source price_series side exit is_signal wraps"),
    *of(
        "i8", "input venue_cash coin product debt borrowed flash base weth lst queue gas_borrow"
    ),  # all of them balances
    *of(
        "i8", "market_series supplied_series borrowed_series unwrapped"
    ),  # unwrapped: the ETH balance of a borrowed WETH
    *of("i8", "holding_first holding_count margin_kind queue_ns gas_enter gas_exit predicted_ns"),
    *of("f8", "size margin_size fee_rate rate_small rate_medium swap_rate"),
    *of("f8", "ltv max_ltv threshold bonus flash_rate entry_hf_min"),
    *of("f8", "fresh wanted_side wanted_sd confidence confidence_min stop_sd target_sd sd_floor sd_cap"),
)

BUNDLE = record(*of("i8", "id life is_stage"))  # id 0: free slot; is_stage: a StageOf

CARRY = record(
    *of("i8", "address family leg_count cash gas_balance gas_series gas_asset gas_transfer delay_ns"),
    *of("i8", "task stage bundle_id pending_count unknown_count transit_count blocked_ns has_entered is_legacy"),
    *of("i8", "gas_twice fee_in_amount"),
    *of("i8", "settlement_count resize_count rebalance_count rollback_count bundle_count band is_fast"),
    *of("i8", "pay_ns pay_count warn_ns low_ns margin_min_ns hf_min_ns is_warned is_unpayable liquidation_count"),
    *of("i8", "killed is_denied paused_stage paused_band paused_first measured_ns"),  # killed: bit set of scopes
    *of(
        "f8", "equity_band delta_band ltv_band hf_floor margin_warn margin_resize margin_low dust"
    ),  # NaN: switched off
    *of("f8", "reserve gas_multiplier transfer_fee nav units unit_price flows last_nav base share payable deposited"),
    *of("f8", "margin_min hf_min hf_start hf ltv margin_ratio delta fees gas_cost rate_sum initial funding_rate"),
    *of("f8", "peak_unit drawdown_pct paused_base"),
    *of("f8", "hf_low ltv_high used_high margin_worst"),  # extremes within the current instant
    ("monitors", "f8", (MONITORS,)),
    ("levels", "i8", (MONITORS,)),
    ("bundles", BUNDLE, (limits.BUNDLES_MAX,)),  # sent, and not final yet
    ("denied", "i8", (BANDS,)),  # by rule: the Reason of the denial logged last, 0 for none
    ("buckets", "f8", (limits.BUCKETS_MAX,)),
    ("legs", LEG, (limits.LEGS_MAX,)),
    ("books", BOOKS),
)

TRANSIT = record(*of("i8", "source target due_ns"), *of("f8", "amount"))

REQUEST = record(
    *of("i8", "op source target fee_balance holding series leg"), *of("f8", "qty amount fee_rate stop target_price")
)
