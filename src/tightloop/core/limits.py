"""Every capacity and magnitude bound of the core, and how they relate.

Exceeding one raises an AssertionError whose message begins with the limit's name.
"""

# Capacities of State: lengths of its fixed arrays. Only the used part is touched and hashed.
INSTRUMENTS_MAX = 256
STRATEGIES_MAX = 16
INSTANCES_MAX = 512  # an instance is one strategy on one instrument
AGGREGATES_MAX = 512  # higher-timeframe bars under construction
INDICATORS_MAX = 4096
NODES_MAX = 4096  # nodes of all rule trees
VALUE_SLOTS_MAX = 16384  # arena indices of the values that rules read
MEMORY_NS_MAX = 16384  # memory cells of crossings, hold and seq
ORDERS_MAX = 2048  # open orders
ENDED_MAX = 1024  # latest ended orders: a fill of one may still come
FILL_KEYS_MAX = 4096  # latest executions by key: each is booked once
ACCOUNTS_MAX = 64  # ledger accounts
CHECKS_MAX = 32
TAPES_MAX = 3 * INSTRUMENTS_MAX  # a trade, a quote and a book tape per instrument
EDGES_MAX = 16384  # window boundaries
LEVELS_MAX = 256  # price levels kept per side of an order book; the worst are dropped
REQUESTS_MAX = 2048  # commands in flight to the simulated venue
TIERS_MAX = 8  # margin tiers per instrument
LADDER_STEPS_MAX = 8
PARAMETERS_MAX = 32  # parameters of a family without sections

# Verdicts on the evaluation stack of a rule tree: one 64-bit word, 2 bits each.
RULE_DEPTH_MAX = 30
SEQ_STEPS_MAX = 8

# Log rows one event may write. A plan computes its own worst case (every section of every instance fires).
ROWS_PER_STEP_MAX = 262_144
ROWS_PER_INSTANCE = 256  # rows of one instance in one event; a full ladder takes 200
LOG_ROWS_MIN = 8_192
INBOX_MAX = 4096  # venue events pending at one instant

# The arena: floats of all indicators, rule constants and tick tapes of a run.
ARENA_FLOATS_MAX = 64 * 1024 * 1024
TAPE_ROWS_MIN = 1024  # initial rows of a tick tape; doubled when a window needs more
TAPE_ROWS_MAX = 1 << 22

# Requests of Python strategies.
CALL_REQUESTS_MAX = 256  # orders, cancels and protections in one call
REQUEST_ROWS = 4  # log rows per request, at most
HISTORY_BARS_MAX = 16_384  # latest closed bars per instrument that a strategy can read

# Carry: one allocator across several venues.
SERIES_MAX = 64  # market data series: prices, marks, indices, rates
ASSETS_MAX = 16  # assets with a price
TOKENS_MAX = 40  # units of balances; a supplied asset is a different token than the asset
BALANCES_MAX = 64
HOLDINGS_MAX = 16  # perpetual positions, one per venue and leg
LEGS_MAX = 16
BUCKETS_MAX = 12
BUNDLE_MAX = 64  # instructions per bundle
BUNDLES_MAX = 8  # bundles without a final outcome: one awaited, the others unknown; then reductions wait as well
TRANSITS_MAX = 64  # transfers and withdrawals in transit

# Magnitudes: a price or quantity beyond these is a feed error.
PRICE_MAX = 1e15
QUANTITY_MAX = 1e18
NOTIONAL_MAX = 1e21

# Relative tolerance within which a value counts as equal to its limit (account checks).
LIMIT_TOLERANCE = 1e-9
# Quantities are float sums of increments: a remainder below this share of the position counts as flat.
QUANTITY_TOLERANCE = 1e-9

STATE_HASH_EVERY = 1024  # events between full hashes of State

NEVER_NS = 2**63 - 1
NO_DAY = -NEVER_NS  # no UTC day has this number (-1 is 1969-12-31)
DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000

assert INSTANCES_MAX >= INSTRUMENTS_MAX, "a universe strategy has an instance on every instrument"
assert ORDERS_MAX >= 4 * INSTANCES_MAX, "entry, stop, target and exit of every instance"
assert INSTANCES_MAX * ROWS_PER_INSTANCE < ROWS_PER_STEP_MAX, "a step of a full universe fits"
assert NODES_MAX <= VALUE_SLOTS_MAX
assert REQUESTS_MAX >= ORDERS_MAX, "a command for every order"
assert 2 * RULE_DEPTH_MAX < 64
assert BUNDLES_MAX > 1, "a place beside the one that an addition takes, for reductions"
