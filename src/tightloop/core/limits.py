"""Every capacity and magnitude bound of the core, and how they relate. Reaching one is an error that names it."""

# Capacities of State. Arrays of these lengths exist in every State; only their used part is touched and hashed.
INSTRUMENTS_MAX = 256
STRATEGIES_MAX = 16
INSTANCES_MAX = 512  # one strategy on one instrument
AGGREGATES_MAX = 512  # bars of a higher timeframe being put together
INDICATORS_MAX = 4096
NODES_MAX = 4096  # nodes of all rule trees
VALUE_SLOTS_MAX = 16384  # where the instances find the values their rules name
MEMORY_NS_MAX = 16384  # time stamps that hold and seq remember
ORDERS_MAX = 2048  # orders that are not terminal
ACCOUNTS_MAX = 64  # ledger accounts
CHECKS_MAX = 32
TAPES_MAX = 3 * INSTRUMENTS_MAX  # prints, quotes and the book of every instrument
EDGES_MAX = 16384  # ends of windows
LEVELS_MAX = 256  # price levels of one side of a book that are kept, the best ones
REQUESTS_MAX = 2048  # commands on their way to the simulated venue
TIERS_MAX = 8  # margin tiers of an instrument
LADDER_STEPS_MAX = 8
PARAMETERS_MAX = 32  # numbers of a family without sections

# The largest tree a rule may be: its stack is one 64-bit word of 2 bits a value.
RULE_DEPTH_MAX = 30
SEQ_STEPS_MAX = 8

# Rows one event may write. A plan states its own need (every section of every instance fires); this bounds it.
ROWS_PER_STEP_MAX = 262_144
ROWS_PER_INSTANCE = 256  # orders, fills, transitions and trades of one instance at one event: a full ladder takes 200
LOG_ROWS_MIN = 8_192
INBOX_MAX = 4096  # events that the venue may owe the step at one instant

# The arena: floats of all indicators, rules and windows of a run.
ARENA_FLOATS_MAX = 64 * 1024 * 1024
TAPE_ROWS_MIN = 1024  # a ring of a window begins with so many rows and doubles when a window needs more
TAPE_ROWS_MAX = 1 << 22

# Decided outside of the step, by strategies in Python.
WANTED_MAX = 256  # orders, cancels and protections in one call
WANTED_ROWS = 4  # rows of the log that one of them writes at most
HISTORY_BARS_MAX = 16_384  # closed bars of an instrument that can be asked for, the last ones

# Carry: one allocator over several venues.
SERIES_MAX = 64  # prices, marks, indices, rates that a run follows
ASSETS_MAX = 16  # what has a price of its own
TOKENS_MAX = 40  # what is kept in balances: a supplied asset is another token than the asset
BALANCES_MAX = 64
HOLDINGS_MAX = 16  # perpetual positions, one for each venue and leg
LEGS_MAX = 16
BUCKETS_MAX = 12
BUNDLE_MAX = 64  # instructions of one bundle
BUNDLES_MAX = 8  # bundles without a final outcome: one awaited, the others unknown
TRANSITS_MAX = 64  # transfers and withdrawals on their way

# Magnitudes. A price or quantity beyond these is a fault of the feed, not a market.
PRICE_MAX = 1e15
QUANTITY_MAX = 1e18
NOTIONAL_MAX = 1e21

# Relative tolerance within which a value counts as equal to its limit (contract: account checks).
LIMIT_TOLERANCE = 1e-9
# Quantities are sums of increments that a float does not hold exactly: less than this share of a position is flat.
QUANTITY_TOLERANCE = 1e-9

STATE_HASH_EVERY = 1024  # events between two full hashes of State

NEVER_NS = 2**63 - 1
NO_DAY = -NEVER_NS  # no day has this number; -1 is 1969-12-31
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
