"""Builds the arrays that compiled code runs on: State, arena, venue and the table of function addresses.

Nothing is compiled per strategy: rules become rows of NODE, parameters become floats in the arena, and equal indicators
(type, parameters, timeframe, instrument) are laid out once, whichever strategies name them.

Layout of the arena (float64 cells): cell 0 is NaN; then indicators (outputs, parameters, private memory of each) and
constants of rules; then, aligned, the ring buffers of tick tapes. Cells from ``arena_floats`` on are not hashed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tightloop.core import checks, families, indicators, limits
from tightloop.core.compiled import DISABLE_JIT, address_of
from tightloop.core.domain.enums import InstanceState, Op, StopKind
from tightloop.core.domain.types import VENUE, Floats, Rows
from tightloop.core.indicators.contract import End
from tightloop.core.market import tapes
from tightloop.core.state import new_state
from tightloop.core.trading.ledger import CAPITAL, WALLET
from tightloop.model.errors import CapacityError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, InstrumentRules
from tightloop.model.signal.conditions import Condition, Node
from tightloop.model.signal.lazy_indicators import mark_lazy
from tightloop.model.signal.plan_numbers import (
    RuleNode,
    Slots,
    append_postfix,
    or_nan,
    seconds_ns,
    write_costs,
    write_limits,
    write_sections,
    write_venue,
)
from tightloop.model.signal.portfolio import check_together, rules_of
from tightloop.model.signal.read import SECTIONS, Strategy
from tightloop.model.signal.variants import Variant

DEFAULT_MAINTENANCE_RATE = 0.005
DEFAULT_LEVERAGE_MAX = 200.0
_NAN_CELL = 0
_TAPE_FIELDS = {"trades": "trade_tape", "quotes": "quote_tape", "book": "book_tape"}


@dataclass(slots=True)
class Plan:
    """All inputs of one run.

    ``states``, ``venues``: one record each. ``table``: function addresses (int64; Python functions without JIT).
    ``rows_per_step``: log rows that one step may need. ``conditions``: the condition of each rule node, by node number.
    ``funding``: whether any strategy of an instrument pays funding.
    """

    strategies: tuple[Strategy, ...]
    instruments: tuple[InstrumentId, ...]
    rules: Mapping[InstrumentId, InstrumentRules]
    settle_asset: str
    capital: float
    timeframe: str | None
    states: Rows
    arena: Floats
    venues: Rows
    table: Any
    rows_per_step: int
    conditions: Mapping[int, Condition] = field(default_factory=dict)
    funding: Mapping[InstrumentId, bool] = field(default_factory=dict)
    grids_ns: Mapping[int, int] = field(default_factory=dict)
    """By number of an instrument with windows: the period at which its windows move on without a tick."""

    @property
    def has_code(self) -> bool:
        """Whether a strategy is written in Python, so that orders are decided outside the step."""
        return any(strategy.code is not None for strategy in self.strategies)

    @property
    def feed(self) -> tuple[str, ...]:
        """Tick types of the feed (trades, quotes, book); empty on bars."""
        return tuple(self.strategies[0].read.feed or ())


def make_plan(strategies: Sequence[Strategy], rules: Mapping[InstrumentId, InstrumentRules], *, seed: int = 0) -> Plan:
    """Build the plan of a run. Raises InputError if strategies and trading rules disagree, CapacityError at a limit."""
    builder = _Builder(strategies, rules, seed)
    return builder.plan()


def _capacity(name: str, wanted: int) -> None:
    allowed = getattr(limits, name)
    if wanted > allowed:
        raise CapacityError(
            f"{name}: this run needs {wanted}, and the limit is {allowed}; use fewer instruments or variants"
        )


class _Builder:
    """Fills the records of one plan; ``plan`` is called once."""

    def __init__(
        self, strategies: Sequence[Strategy], rules: Mapping[InstrumentId, InstrumentRules], seed: int
    ) -> None:
        self.strategies = tuple(strategies)
        self.rules = rules
        self.instruments = rules_of(strategies)
        self.states = new_state()
        self.state = self.states[0]
        self.venues = np.zeros(1, VENUE)
        self.venue = self.venues[0]
        self.venue["seed"] = seed
        self.functions: list[Any] = []
        self.function_at: dict[str, int] = {}
        self.cells = 1  # cell 0 is NaN, the value of an operand without a source
        self.laid_out: list[tuple[indicators.Indicator, int, Mapping[str, float]]] = []
        self.constants: dict[float, int] = {}
        self.base_of: dict[tuple[Any, ...], int] = {}
        self.conditions: dict[int, Condition] = {}
        self.grids_ns: dict[int, int] = {}
        self.cells_of_ends: dict[int, int] = {}
        self.lazy: set[int] = set()

    def plan(self) -> Plan:
        """Fill all records in dependency order: instruments, indicators, strategies, account, checks, arena."""
        asset = check_together(self.strategies, self.rules)
        _capacity("STRATEGIES_MAX", len(self.strategies))
        _capacity("INSTRUMENTS_MAX", len(self.instruments))
        _capacity("INSTANCES_MAX", sum(len(s.instruments) for s in self.strategies))
        self._instruments()
        self._market_indicators()
        self._windows()
        self._strategies()
        mark_lazy(self.state, self.strategies, self.lazy)
        self._account()
        self._checks()
        arena = self._arena()
        rows = sum(self._rows_of(s) * len(s.instruments) for s in self.strategies) + 64
        _capacity("ROWS_PER_STEP_MAX", rows)
        capital = sum(s.read.capital for s in self.strategies)
        funding = {
            i: any(i in s.instruments and s.read.costs.funding == "on" for s in self.strategies)
            for i in self.instruments
        }
        return Plan(
            self.strategies, self.instruments, self.rules, asset, capital, self.strategies[0].read.timeframe,
            self.states, arena, self.venues, self._table(), rows, self.conditions, funding, self.grids_ns,
        )  # fmt: skip

    # Table of function addresses

    def _address(self, name: str, function: Any) -> int:
        """Return a function's place in the table of addresses; added on first use."""
        if name not in self.function_at:
            self.function_at[name] = len(self.functions)
            self.functions.append(address_of(function))
        return self.function_at[name]

    def _table(self) -> Any:
        return self.functions if DISABLE_JIT else np.array(self.functions, np.int64)

    def _checks(self) -> None:
        """Append (address, reason) of every order check to the table, contiguous from ``check_first``."""
        modules = checks.all_checks()
        self.state["check_first"] = len(self.functions)
        self.state["check_count"] = len(modules)
        for module in modules:
            self.functions += [address_of(module.check), module.REASON]

    # Instruments, their indicators and tapes

    def _instruments(self) -> None:
        """Write the trading rules of every instrument, in State and at the venue."""
        self.state["instrument_count"] = self.venue["instrument_count"] = len(self.instruments)
        self.state["asset_count"] = 1
        for index, instrument in enumerate(self.instruments):
            rules = self.rules[instrument]
            row = self.state["instruments"][index]
            row["price_increment"] = rules.price_increment
            row["lot_size"] = rules.lot_size
            row["multiplier"] = rules.contract_size
            row["min_notional"] = rules.min_notional
            row["qty_max"], row["market_qty_max"] = rules.qty_max, rules.market_qty_max
            is_margined = instrument.market == "perp" or rules.margin
            row["may_short"] = row["is_margined"] = int(is_margined)
            tiers = [(t.notional_max, t.maintenance_pct / 100.0, t.leverage_max) for t in rules.margin_tiers]
            tiers = tiers or [(math.inf, DEFAULT_MAINTENANCE_RATE, DEFAULT_LEVERAGE_MAX)]
            _capacity("TIERS_MAX", len(tiers))
            row["tier_count"] = len(tiers)
            for k, tier in enumerate(tiers):
                row["tiers"][k] = tier
            row["instance_first"] = -1
            row["trade_tape"] = row["quote_tape"] = row["book_tape"] = row["book"] = -1
            for name in ("mark", "funding_rate", "last", "bid", "bid_qty", "ask", "ask_qty"):
                row[name] = math.nan
            at_venue = self.venue["instruments"][index]
            at_venue["rules"] = row
            at_venue["mark"] = at_venue["last"] = math.nan
            at_venue["order_first"] = at_venue["order_last"] = at_venue["position_first"] = -1
            at_venue["expires_next_ns"] = limits.NEVER_NS

    def _market_indicators(self) -> None:
        """Lay out each distinct indicator of each instrument once, contiguous by instrument and timeframe."""
        count = aggregate_count = 0
        for index, instrument in enumerate(self.instruments):
            wanted: dict[tuple[Any, ...], Variant] = {}
            for strategy in self.strategies:
                if instrument in strategy.instruments:
                    for variant in strategy.variants.values():
                        if not indicators.load(variant.type).is_of_instance:
                            wanted.setdefault(_key(variant), variant)
            row = self.state["instruments"][index]
            row["indicator_first"] = count
            base = [v for v in wanted.values() if v.timeframe is None and not indicators.load(v.type).is_windowed]
            count = self._lay_out(index, base, count)
            row["indicator_count"] = len(base)
            row["aggregate_first"] = aggregate_count
            for timeframe in sorted({v.timeframe for v in wanted.values() if v.timeframe}, key=lambda t: TIMEFRAMES[t]):
                _capacity("AGGREGATES_MAX", aggregate_count + 1)
                of_timeframe = [v for v in wanted.values() if v.timeframe == timeframe]
                aggregate = self.state["aggregates"][aggregate_count]
                aggregate["instrument"] = index
                aggregate["period_ns"] = TIMEFRAMES[timeframe]
                aggregate["indicator_first"] = count
                aggregate["indicator_count"] = len(of_timeframe)
                count = self._lay_out(index, of_timeframe, count)
                aggregate_count += 1
            row["aggregate_count"] = aggregate_count - row["aggregate_first"]
        self.state["indicator_count"] = count
        self.state["aggregate_count"] = aggregate_count

    def _windows(self) -> None:
        """Lay out tapes, window ends and windowed indicators; equal window ends on one tape share an EDGE."""
        if not self.strategies[0].read.feed:
            return
        write_venue(self.venue, self.strategies[0])
        self._books()
        for index, instrument in enumerate(self.instruments):
            wanted: dict[tuple[Any, ...], Variant] = {}
            for strategy in self.strategies:
                if instrument in strategy.instruments:
                    windowed = [v for v in strategy.variants.values() if indicators.load(v.type).is_windowed]
                    wanted.update((_key(variant), variant) for variant in windowed)
            numbers = self._tapes(index, list(wanted.values()))
            row = self.state["instruments"][index]
            row["tick_first"] = count = int(self.state["indicator_count"])
            row["tick_count"] = len(wanted)
            self.state["indicator_count"] = self._lay_out(index, list(wanted.values()), count)
            for variant in wanted.values():
                indicator = indicators.load(variant.type)
                place = self.base_of[(index, *_key(variant))] + len(indicator.outputs) + len(indicator.parameters)
                for k, end in enumerate(indicator.ends(variant.values)):
                    self.cells_of_ends[place + k] = numbers[_end_key(end)]
            periods = [seconds_ns(indicators.load(v.type).refresh_s(v.values)) for v in wanted.values()]
            periods += [limits.SECOND_NS] if row["aggregate_count"] else []
            if periods:
                self.grids_ns[index] = math.gcd(*periods)

    def _books(self) -> None:
        """Give every instrument an order book, in State and at the venue, if the feed has books."""
        feed = self.strategies[0].read.feed or ()
        if "book" not in feed:
            return
        for index in range(len(self.instruments)):
            self.state["instruments"][index]["book"] = index
            self.state["books"][index]["is_top"] = int("quotes" not in feed)
            self.venue["instruments"][index]["has_book"] = 1
        self.state["book_count"] = len(self.instruments)

    def _tapes(self, index: int, variants: Sequence[Variant]) -> dict[tuple[str, int], int]:
        """Lay out the tapes of one instrument; return the EDGE number of each (tape, offset in ns)."""
        row, numbers = self.state["instruments"][index], dict[tuple[str, int], int]()
        loaded = [(indicators.load(v.type), v.values) for v in variants]
        for name, field_of in _TAPE_FIELDS.items():
            if not any(name in indicator.tapes(values) for indicator, values in loaded):
                continue
            ends = {
                _end_key(end)[1] for indicator, values in loaded for end in indicator.ends(values) if end[0] == name
            }
            if not ends:
                continue
            number, first = int(self.state["tape_count"]), int(self.state["edge_count"])
            _capacity("EDGES_MAX", first + len(ends))
            readers = [indicator for indicator, values in loaded if name in indicator.tapes(values)]
            needs = {need for indicator in readers for need in indicator.needs}
            tape = self.state["tapes"][number]
            tape["is_quotes"] = int(name != "trades")  # a book's tape stores its best quotes
            tape["width"] = tapes.TRADE_WIDTH if needs else tapes.PLAIN_WIDTH
            if name != "trades":
                tape["width"] = tapes.QUOTE_WIDTH
            tape["capacity"], tape["first_ns"] = limits.TAPE_ROWS_MIN, limits.NEVER_NS
            tape["edge_first"], tape["edge_count"] = first, len(ends)
            tape["has_moments"], tape["has_extremes"] = int("moments" in needs), int("extremes" in needs)
            for k, offset_ns in enumerate(sorted(ends, reverse=True)):
                self.state["edges"][first + k] = (number, offset_ns, -1, limits.NEVER_NS, 0.0, 0.0, 0.0)
                numbers[(name, offset_ns)] = first + k
            row[field_of] = number
            self.state["tape_count"], self.state["edge_count"] = number + 1, first + len(ends)
        return numbers

    def _lay_out(self, instrument: int, variants: Sequence[Variant], count: int) -> int:
        """Lay out indicators of one instrument from number ``count``; return the next free number."""
        _capacity("INDICATORS_MAX", count + len(variants))
        for variant in variants:
            self.base_of[(instrument, *_key(variant))] = self._place(variant, count)
            count += 1
        return count

    def _place(self, variant: Variant, number: int) -> int:
        """Reserve arena cells for one indicator and write its INDICATOR record; return its first cell."""
        indicator = indicators.load(variant.type)
        row = self.state["indicators"][number]
        row["address"] = self._address(variant.type, indicator.entry)
        row["base"] = base = self.cells
        row["floats"] = indicator.size(variant.values)
        if indicator.may_wait(variant.values):
            self.lazy.add(number)
        self.laid_out.append((indicator, base, variant.values))
        self.cells += int(row["floats"])
        return base

    def _constant(self, value: float) -> int:
        """Return the arena cell of a constant; equal constants share one."""
        if value not in self.constants:
            self.constants[value] = self.cells
            self.cells += 1
        return self.constants[value]

    def _arena(self) -> Floats:
        # Tape rings lie behind the hashed part: their contents are in the rolling hash already, event by event.
        """Allocate the arena and fill in parameters, constants and tape bases."""
        self.state["arena_floats"] = floats = self.cells
        for tape in self.state["tapes"][: int(self.state["tape_count"])]:
            tape["base"] = floats = -(-floats // tapes.LINE) * tapes.LINE
            floats += int(tape["width"] * tape["capacity"])
        _capacity("ARENA_FLOATS_MAX", floats)
        arena = tapes.arena_of(floats)
        arena[_NAN_CELL] = math.nan
        for indicator, base, values in self.laid_out:
            indicator.lay_out(arena, base, values)
        for value, cell in self.constants.items():
            arena[cell] = value
        for place, number in self.cells_of_ends.items():
            arena[place] = number
        return arena

    # Strategies

    def _strategies(self) -> None:
        """Write the STRATEGY records and one instance for each of their instruments."""
        self.state["strategy_count"] = len(self.strategies)
        instance = 0
        for index, strategy in enumerate(self.strategies):
            slots = Slots(strategy)
            row = self.state["strategies"][index]
            family = families.load(strategy.read.family)
            row["family"] = self._address(f"family {strategy.read.family}", family.decide)
            row["direction"] = {"LONG": 1, "SHORT": -1, None: 0}[strategy.read.direction]
            row["section_first"] = -1
            row["confidence_slot"] = -1
            for place, value in enumerate(strategy.parameters.values()):
                row["parameters"][place] = value
            memory = self._sections(strategy, row, slots)
            if strategy.read.sections is not None:
                write_sections(row, strategy, slots)
            write_limits(row, strategy)
            for instrument in strategy.instruments:
                self._instance(instance, index, strategy, instrument, slots, memory)
                instance += 1
        self.state["instance_count"] = self.venue["instance_count"] = instance
        kinds = self.state["strategies"][: len(self.strategies)]["stop_kind"]
        is_on_bars = not self.strategies[0].read.feed
        self.state["trails_by_variant"] = int(is_on_bars and (kinds == int(StopKind.TRAILING_VARIANT)).any())

    def _sections(self, strategy: Strategy, row: Any, slots: "Slots") -> int:
        """Write the rule trees as NODE rows; return the memory (time stamps) that one instance needs for them."""
        memory = 0
        count = int(self.state["node_count"])
        for section, name in enumerate(SECTIONS):
            tree = strategy.trees.get(name)
            if tree is None:
                continue
            nodes: list[RuleNode] = []
            memory = append_postfix(tree, slots, nodes, memory)
            _capacity("NODES_MAX", count + len(nodes))
            row["section_first"][section] = count
            row["section_count"][section] = len(nodes)
            stateful = {int(Op.CROSSES_ABOVE), int(Op.CROSSES_BELOW), int(Op.HOLD), int(Op.SEQ)}
            row["section_is_stateful"][section] = int(any(n["op"] in stateful for n, _ in nodes))
            for fields_of, condition in nodes:
                node = self.state["nodes"][count]
                for key, value in fields_of.items():
                    node[key] = value
                if condition is not None:
                    self.conditions[count] = condition
                count += 1
        self.state["node_count"] = count
        return memory

    def _instance(
        self,
        instance: int,
        strategy_index: int,
        strategy: Strategy,
        instrument: InstrumentId,
        slots: "Slots",
        memory: int,
    ) -> None:
        """Write the records of one instance (a strategy on an instrument).

        ``memory``: time stamps its rules need. Operands are addressed as value_slots[value_base + slot], which holds
        the arena cell of the operand.
        """
        index = self.instruments.index(instrument)
        row = self.state["instances"][instance]
        row["strategy"], row["instrument"] = strategy_index, index
        row["state"] = int(InstanceState.MONITORING)
        row["next"] = row["order_first"] = -1
        row["timer_ns"] = limits.NEVER_NS
        for name in ("signal_price", "planned_stop", "planned_target"):
            row[name] = math.nan
        _capacity("VALUE_SLOTS_MAX", int(self.state["value_slot_count"]) + slots.count)
        _capacity("MEMORY_NS_MAX", int(self.state["memory_count"]) + memory)
        row["value_base"], row["memory_base"] = self.state["value_slot_count"], self.state["memory_count"]
        self.state["value_slot_count"] += slots.count
        self.state["memory_count"] += memory
        row["own_first"] = self.state["indicator_count"]
        for place, cell in enumerate(self._cells_of(strategy, index, slots, row)):
            self.state["value_slots"][row["value_base"] + place] = cell
        self._link(instance, index)
        write_costs(row["costs"], strategy, self.rules[instrument])
        self.venue["costs"][instance] = row["costs"]
        if row["costs"]["participation"] > 0.0:
            self.venue["instruments"][index]["has_participation"] = 1
        self.state["positions"][instance]["liquidation_price"] = math.nan
        self.venue["positions"][instance]["liquidation_price"] = math.nan
        self.venue["instance_instrument"][instance] = index

    def _cells_of(self, strategy: Strategy, index: int, slots: "Slots", row: Any) -> list[int]:
        """Return the arena cell of each value slot of an instance; lays out indicators of the instance (``own_*``)."""
        cells = []
        for variant in strategy.variants.values():
            indicator = indicators.load(variant.type)
            if indicator.is_of_instance:
                number = int(self.state["indicator_count"])
                _capacity("INDICATORS_MAX", number + 1)
                base = self._place(variant, number)
                self.state["indicator_count"] += 1
                row["own_count"] += 1
            else:
                base = self.base_of[(index, *_key(variant))]
            cells.append(base + indicator.outputs.index(variant.output))
        return cells + [self._constant(value) for value in slots.constants]

    def _link(self, instance: int, index: int) -> None:
        """Append an instance to its instrument's list, in file order; the venue keeps a copy of the list."""
        in_state, at_venue = self.state["instruments"][index], self.venue["instruments"][index]
        self.venue["instance_next"][instance] = -1
        if in_state["instance_first"] < 0:
            in_state["instance_first"] = at_venue["position_first"] = instance
            return
        last = int(in_state["instance_first"])
        while self.state["instances"][last]["next"] >= 0:
            last = int(self.state["instances"][last]["next"])
        self.state["instances"][last]["next"] = self.venue["instance_next"][last] = instance

    def _account(self) -> None:
        account = self.strategies[0].read.account
        row = self.state["limits"]
        for name in row.dtype.names:
            value = getattr(account, name)
            row[name] = (0 if value is None else value) if name == "max_positions" else or_nan(value)
        capital = sum(s.read.capital for s in self.strategies)
        for name in ("capital", "equity", "equity_peak", "day_start_equity"):
            self.state[name] = capital
        self.state["alarm_equity"] = -math.inf
        self.state["statistics"]["deepest_equity"] = capital
        self.state["balances"][WALLET] = self.venue["wallet"] = capital
        self.state["balances"][CAPITAL] = -capital

    def _rows_of(self, strategy: Strategy) -> int:
        """Return the log rows that one instance may need in a step."""
        nodes = sum(len(list(_walk(tree))) for tree in strategy.trees.values())
        return limits.ROWS_PER_INSTANCE + 2 * nodes


def _key(variant: Variant) -> tuple[Any, ...]:
    """Return the identity of a computation: variants with equal keys share one indicator."""
    return variant.type, tuple(sorted(variant.values.items())), variant.timeframe


def _end_key(end: End) -> tuple[str, int]:
    return end[0], seconds_ns(end[1])


def _walk(node: Node) -> list[Node]:
    if isinstance(node, Condition):
        return [node]
    return [node, *(inner for part in node.parts for inner in _walk(part))]
