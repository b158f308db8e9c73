"""Records of the domain: what the step reads, keeps and writes. Each field has a unit, a sign and one writer.

Prices are in the settle asset per unit, quantities in contracts (base units where the multiplier is 1), money in the
settle asset, times in nanoseconds UTC, rates as fractions (0.0005 is 5 basis points) unless a suffix says otherwise.
Integers are 64 bits wide, flags are 0 or 1. NaN in a float field means unknown; NEVER_NS in a time means never; an
index of -1 means none. Enumerations are in ``enums.py``, events in ``events.py``, records of ticks in ``ticks.py``, of
carry in ``carry.py``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core import limits
from tightloop.core.domain.carry import CARRY
from tightloop.core.domain.position import POSITION
from tightloop.core.domain.records import of as _of
from tightloop.core.domain.records import record as _record
from tightloop.core.domain.ticks import BOOK, EDGE, LEVEL, ON_DEMAND, TAPE

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]
Word = Any
"""64 bits: an unsigned integer in compiled code."""
Table = Any
"""Native function addresses and reasons (int64), or Python functions when the compiler is off."""
Record = Any
"""One row of a structured array: a numba record in compiled code."""


BAR = _record(
    *_of("f8", "open high low close volume"),
    *_of("i8", "open_ns close_ns"),  # [open_ns, close_ns): usable at close_ns
)

EVENT = _record(
    *_of("i8", "kind phase instrument instance"),
    *_of("i8", "ts_event_ns ts_init_ns"),  # when it happened; when we received it
    *_of("i8", "order_id order_slot reason is_maker"),
    *_of("f8", "open high low price qty"),
    *_of("f8", "rate amount"),
    *_of("f8", "stop_price"),
    *_of("i8", "side order_kind tif reduce_only post_only expires_ns"),
    *_of("f8", "leverage stop_loss take_profit stop_loss_pct take_profit_pct"),
    *_of("f8", "cum_qty"),  # filled of the order in all, by the venue; 0: not said
    *_of("i8", "fill_key"),  # of venue, account and trade id; 0: unknown
)
"""A union: what a field holds depends on ``kind``. Write and read it through ``core/domain/events.py``, by kind."""


TIER = _record(*_of("f8", "notional_max maintenance_rate leverage_max"))

INSTRUMENT = _record(
    *_of("f8", "price_increment lot_size multiplier min_notional"),  # an increment of 0: no rounding
    *_of("f8", "qty_max market_qty_max"),  # largest order, largest market order; 0: no limit is known
    *_of("i8", "status has_venue_mark"),  # TradingStatus; 1: ``mark`` is the one the venue reports
    *_of("f8", "foreign_qty foreign_price"),  # held at the venue by orders that are not ours, signed; its average entry
    *_of("i8", "venue asset may_short is_margined tier_count"),
    ("tiers", TIER, (limits.TIERS_MAX,)),
    *_of("i8", "indicator_first indicator_count aggregate_first aggregate_count instance_first lock"),
    ("bar", BAR),  # the last closed bar
    *_of("f8", "mark funding_rate"),
    *_of("i8", "open_ns touched_ns bar_count"),
    *_of("f8", "last bid bid_qty ask ask_qty"),  # of the last print and last quote received; NaN: none yet
    *_of("i8", "trade_tape quote_tape book_tape book"),  # -1: not kept
    *_of("i8", "tick_first tick_count"),  # windowed indicators
    *_of("i8", "gap_ns"),  # silence before the gap reported by the current DATA_GAP event; otherwise 0
)


AGGREGATE = _record(
    *_of("i8", "instrument period_ns indicator_first indicator_count is_open"),
    ("bar", BAR),
)

INDICATOR = _record(*_of("i8", "address base floats"))

NODE = _record(
    *_of("i8", "op left right right_high count memory"),  # left, right: value slots of the instance
    *_of("i8", "span_ns variant_left variant_right"),
)

STRATEGY = _record(
    *_of("i8", "family direction settle_asset"),
    ("section_first", "i8", (5,)),  # first node of each section; -1: none
    ("section_count", "i8", (5,)),
    ("section_is_stateful", "i8", (5,)),  # contains crosses, hold or seq: evaluate at every event
    *_of("i8", "z1_immediate order_kind order_tif order_post_only order_ttl_ns price_kind price_slot"),
    *_of("f8", "price_number price_offset_bps limit_offset_bps"),
    *_of("i8", "size_kind confidence_slot scale_slot scale_count"),
    *_of("f8", "size_value notional_min notional_max leverage"),
    ("scale_at", "f8", (limits.LADDER_STEPS_MAX,)),
    ("scale_by", "f8", (limits.LADDER_STEPS_MAX,)),
    *_of("i8", "stop_kind stop_of_signal stop_slot target_kind target_of_signal target_slot step_count base_slot"),
    *_of("i8", "stop_trigger stale_ns"),  # a data gap this long with a position: warn; stale_ns above 0: exit too (E1)
    *_of("f8", "stop_value stop_trail_pct target_value"),
    ("step_at", "f8", (limits.LADDER_STEPS_MAX,)),
    ("step_share_pct", "f8", (limits.LADDER_STEPS_MAX,)),
    *_of("i8", "o1_timeout_ns o1_cooldown_ns ze1_cooldown_ns e1_cooldown_ns e1_cancels_pending"),
    *_of("i8", "max_concurrent_positions max_daily_trades max_losses_in_row loss_cooldown_ns max_hold_ns"),
    *_of("f8", "daily_loss_pct min_risk_reward"),
    ("parameters", "f8", (limits.PARAMETERS_MAX,)),
    # written while running
    *_of("i8", "slots_used trades_today losses_in_row"),
    *_of("f8", "realized_today day_start_unrealized"),
    *_of("i8", "loss_until_ns"),
)

COSTS = _record(
    *_of("f8", "taker_rate maker_rate slippage_bps slippage_coefficient participation"),  # participation 0: unlimited
    *_of("f8", "depth_spreads"),  # ticks: spreads a taker pays per touch quantity beyond the first
    *_of("i8", "slippage_kind is_unfunded"),  # is_unfunded: neither pays nor receives funding
)

INSTANCE = _record(
    *_of("i8", "strategy instrument next state state_since_ns value_base memory_base"),
    *_of("i8", "signal_id signal_ns cooldown_until_ns suppressed_for timer_ns"),
    *_of("f8", "signal_price high_since_signal low_since_signal planned_stop planned_target confidence"),
    # retracement: extreme and base at the entry decision, base at the signal; Python strategy: target and stop, %
    *_of("f8", "planned_extreme planned_base signal_base"),
    *_of("i8", "order_first exit_role end_reason own_first own_count killed"),
    # What the venue refused of an open position: stops in a row, the last of them, when the next may go (0: none is
    # due); when the next target and the next exit may go; the Role of an exit that is due until it is flat (0: none).
    *_of("i8", "stop_refused_count stop_refused_ns stop_retry_ns target_retry_ns exit_retry_ns exit_due"),
    ("costs", COSTS),
    ("verdicts", "i8", (5,)),  # per section, at the last evaluation
)

ORDER = _record(
    *_of("i8", "id instance instrument side kind tif role state reason reduce_only post_only"),
    *_of("f8", "qty filled_qty filled_value price stop_price trail_pct trail_distance arm_price"),
    *_of("f8", "reference_price reserved_margin leverage best_price"),
    *_of("i8", "submitted_ns expires_ns signal_id oco is_triggered is_resting fill_count step next trigger"),
    *_of("i8", "is_moved"),  # venue of bars: a trailing stop that the last bar's extreme moved or armed
    *_of("i8", "venue_state"),  # flags of VenueState: what is not known of it
    *_of("f8", "venue_qty venue_price venue_stop_price venue_trail_distance"),  # as sent, then as the venue confirmed
)

# An order that has ended: what a fill that comes after its end is booked by.
ENDED = _record(
    *_of("i8", "order_id instance instrument side role state signal_id fill_count"),
    *_of("f8", "qty filled_qty filled_value leverage"),
)

ACCOUNT_LIMITS = _record(
    *_of("f8", "max_position_pct max_symbol_pct daily_loss_pct max_drawdown_pct max_margin_pct max_leverage"),
    *_of("f8", "max_order_notional price_band_pct max_portfolio_pct"),  # NaN: off
    *_of("i8", "max_positions"),
)

STATISTICS = _record(
    *_of("f8", "fees funding slippage turnover max_drawdown_pct peak_equity deepest_equity equity_sum"),
    *_of("i8", "exposed_ns exposed_since_ns first_ns last_ns peak_ns longest_drawdown_ns record_count"),
    *_of("i8", "unknown_slippage_count"),  # fills of unknown slippage, in no sum
)


STATE = _record(
    *_of("i8", "seq ts_ns day day_end_ns trade_count signal_count next_timer_ns"),
    ("hash", "u8"),
    *_of("i8", "instrument_count aggregate_count indicator_count strategy_count instance_count"),
    *_of("i8", "node_count order_count order_high open_position_count check_count check_first book_count"),
    *_of("i8", "killed drawdown_stopped daily_stopped_day drawdown_warned session asset_count touched_count"),
    *_of("i8", "ruined"),  # 1 from the first equity record at or below 0 until re-armed
    *_of("i8", "not_ready paused"),  # of a session: reconciling with the venue; flags of Pause
    *_of("i8", "ended_count fill_key_count"),  # ever put into the rings ``ended`` and ``fill_keys``
    *_of(
        "i8",
        "value_slot_count memory_count free_count arena_floats id_count candidate_count tape_count edge_count is_grid",
    ),
    *_of("i8", "trails_by_variant"),  # bars: trailing stops follow a closed bar before it is decided on
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
    ("is_on_demand", "i8"),  # 1: windowed indicators are computed only when a strategy reads them
    ("books", BOOK, (limits.INSTRUMENTS_MAX,)),
    ("carry", CARRY),
    ("ended", ENDED, (limits.ENDED_MAX,)),  # rings
    ("fill_keys", "i8", (limits.FILL_KEYS_MAX,)),
    ("part", EVENT),  # scratch: the part of an event that is booked as a fill of its own
)

LOG_ROW = _record(
    *_of("i8", "kind ts_ns seq instrument instance order_id slot signal_id code reason"),
    *_of("i8", "side order_kind tif role reduce_only post_only is_maker expires_ns entry_ns exit_ns oco trigger"),
    *_of("f8", "qty price stop_price trail_pct trail_distance arm_price leverage exit_price"),
    *_of("f8", "fee pnl funding slippage value threshold"),
)

COMMAND = _record(("due_ns", "i8"), ("row", LOG_ROW))  # in flight to a simulated venue: when it arrives there

# The simulated venue keeps its own orders, positions and prices, as a real one does: it never reads State.
VENUE_INSTRUMENT = _record(
    ("rules", INSTRUMENT),
    *_of("f8", "open high low close volume volume_left mark"),
    *_of("i8", "open_ns close_ns order_first order_last position_first stage"),
    *_of("i8", "trailing_count expires_next_ns has_participation"),  # counts that spare a search at every bar
    *_of("f8", "last print_left"),  # ticks: last print; quantity of the current print not yet used by fills
    *_of("i8", "bid_count ask_count feed_latency_ns heard_ns has_book is_known last_seq"),  # is_known: book complete
    ("bids", LEVEL, (limits.LEVELS_MAX,)),  # best level last
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
    ("entered", "i8", (limits.INSTANCES_MAX,)),  # bars: how the open position was entered within the current bar
    ("orders", ORDER, (limits.ORDERS_MAX,)),
    ("order_slot", "i8", (limits.ORDERS_MAX,)),  # the sender's slot, returned with every event
    ("order_free", "i8", (limits.ORDERS_MAX,)),
    ("inbox", EVENT, (limits.INBOX_MAX,)),
    *_of("i8", "submit_ns cancel_ns response_ns delay_ns halt_ns is_recorded queue_kind is_partial expires_next_ns"),
    *_of("i8", "request_count request_taken"),
    ("requests", COMMAND, (limits.REQUESTS_MAX,)),  # commands in flight to the venue
    ("queue_power", "f8"),
    ("wallet", "f8"),  # in the settle asset: capital + realised results - fees + funding
    ("queue_ahead", "f8", (limits.ORDERS_MAX,)),
    ("queue_traded", "f8", (limits.ORDERS_MAX,)),
)


EQUITY = _record(("ts_ns", "i8"), *_of("f8", "equity cash"))

STREAM = _record(
    *_of("i8", "kind instrument at end is_closing next_ns next_phase"),
    *_of("i8", "clock offset_ns is_last period_ns last_id"),  # ticks only
)
RATE = _record(("ts_ns", "i8"), ("rate", "f8"))
