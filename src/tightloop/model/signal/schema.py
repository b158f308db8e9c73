"""Keys of a strategy file, with types and bounds; names of variants and files are resolved later by ``read.py``."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tightloop.core import families, limits
from tightloop.model.files.fields import (
    Strict,
    check_number,
    finite,
    flag,
    named,
    number,
    one_of_kinds,
    optional_name,
    optional_number,
    pairs,
    plain,
    refuse,
    shown,
    text,
    variant_name,
    word,
)
from tightloop.model.instruments import TIMEFRAMES

CARRY = "carry"
"""The family with legs instead of sections; ``model/carry`` reads it."""
PERCENT = Annotated[float, number(0.0, 100.0, above=True)]
MONEY = Annotated[float, number(0.0, limits.NOTIONAL_MAX, above=True)]
PRICE = Annotated[float, number(0.0, limits.PRICE_MAX, above=True)]
MINUTES = Annotated[float, number(0.0, 366 * 1440.0)]
SECONDS = Annotated[float, number(0.0, 366 * 86_400.0)]


VARIANT = Annotated[str, variant_name()]


def _price(value: Any) -> Any:
    return value if isinstance(value, str) and value else check_number(value, 0.0, limits.PRICE_MAX, above=True)


class Order(Strict):
    """Order settings of an entry. ``offset_bps`` moves the limit or stop price, positive is up."""

    type: Annotated[str, word("market", "limit", "stop", "stop_limit")] = "market"
    price: Annotated[str | float, BeforeValidator(_price)] = "close"
    offset_bps: Annotated[float, number(-5_000.0, 5_000.0)] = 0.0
    limit_offset_bps: Annotated[float, number(0.0, 5_000.0)] = 0.0
    ttl_s: Annotated[float | None, optional_number(0.0, 366 * 86_400.0, above=True)] = None
    tif: Annotated[str, word("GTC", "IOC", "FOK", "GTT")] = "GTC"
    post_only: Annotated[bool, flag()] = False


class Scale(Strict):
    """A factor on the size, interpolated linearly between [value, factor] points of a variant's value."""

    variant: VARIANT
    points: Annotated[
        list[list[float]],
        pairs("write points: [[20, 1.2], [70, 0.55]]", (-1e15, 1e15), (0.0, 1_000.0), 2, limits.LADDER_STEPS_MAX),
    ]


def _clamp(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise refuse(f"{shown(value)} is not [min, max]", "write for example clamp: [20, 500]")
    low, high = (check_number(bound, 0.0, limits.NOTIONAL_MAX) for bound in value)
    if low > high or high == 0.0:
        raise refuse(
            f"{plain(low)} to {plain(high)} holds no amount", "write the smaller one first, the larger above 0"
        )
    return low, high


class EntrySize(Strict):
    """Size of an entry. ``clamp``: (min, max) notional in the settle asset."""

    type: Annotated[str, word("fixed", "units", "percentage", "risk")]
    value: Annotated[float, number(0.0, limits.NOTIONAL_MAX, above=True)]
    clamp: Annotated[tuple[float, float] | None, BeforeValidator(_clamp)] = None
    scale: Scale | None = None


TRIGGER = Annotated[str, word("last", "mark", "touch")]
OF = Annotated[str, word("entry", "signal")]


class StopPercent(Strict):
    """A stop or target at ``value`` percent from the entry price, or from the price of the signal."""

    type: str
    value: Annotated[float, number(0.0, 1_000.0, above=True)]
    of: OF = "entry"
    trigger: TRIGGER = "touch"


class StopAbsolute(Strict):
    """A stop or target at a fixed price."""

    type: str
    price: PRICE
    trigger: TRIGGER = "touch"


class StopIndicator(Strict):
    """A stop or target at the value of a variant, moved by ``offset_pct`` percent."""

    type: str
    variant: VARIANT
    offset_pct: Annotated[float, number(-100.0, 100.0)] = 0.0
    trigger: TRIGGER = "touch"


class StopAtr(Strict):
    """A stop or target at ``multiple`` times a variant (such as ATR) from the entry or signal price."""

    type: str
    variant: VARIANT
    multiple: Annotated[float, number(0.0, 1_000.0, above=True)]
    of: OF = "entry"
    trigger: TRIGGER = "touch"


class StopTrailing(Strict):
    """A stop behind the best price since entry.

    Either ``trail_pct`` percent behind, once the gain reached ``arm_pct``; or ``multiple`` times a variant behind.
    """

    type: str
    arm_pct: Annotated[float, number(0.0, 1_000.0)] = 0.0
    trail_pct: Annotated[float | None, optional_number(0.0, 99.0, above=True)] = None
    variant: Annotated[str | None, optional_name()] = None
    multiple: Annotated[float | None, optional_number(0.0, 1_000.0, above=True)] = None
    trigger: TRIGGER = "touch"

    def model_post_init(self, _: Any) -> None:
        """Require exactly one of the two forms, complete."""
        by_percent, by_variant = self.trail_pct is not None, self.variant is not None and self.multiple is not None
        mixed = by_percent and not (self.variant is None and self.multiple is None)
        if by_percent == by_variant or mixed or (by_variant and self.arm_pct > 0.0):
            remedy = "write {arm_pct: 5, trail_pct: 3} or {variant: atr, multiple: 3}"
            raise refuse("a trailing stop has arm_pct and trail_pct, or variant and multiple", remedy)


class StopPeak(Strict):
    """A stop ``buffer_pct`` percent beyond the most adverse price since the signal."""

    type: str
    buffer_pct: Annotated[float, number(0.0, 1_000.0, above=True)]
    trigger: TRIGGER = "touch"


class TargetLadder(Strict):
    """Partial exits: [at, share_pct] pairs, shares of the position in percent.

    ``of``: ``at`` in percent from the entry, or in percent of the pump given back, measured from ``base``.
    """

    type: str
    of: Annotated[str, word("percent", "pump_retracement")]
    steps: Annotated[
        list[list[float]],
        pairs(
            "write steps: [[30, 50], [50, 50]]", (0.0, 1_000.0), (0.0, 100.0), 1, limits.LADDER_STEPS_MAX, above=True
        ),
    ]
    base: Annotated[str | None, optional_name()] = None

    def model_post_init(self, _: Any) -> None:
        """Refuse shares that exceed the position."""
        if sum(share for _, share in self.steps) > 100.0 + 1e-9:
            raise refuse("the shares of the steps add up to more than 100", "write shares that add up to 100 or less")


STOPS: dict[str, type[Strict]] = {
    "percent": StopPercent, "absolute": StopAbsolute, "indicator": StopIndicator, "atr": StopAtr,
    "trailing": StopTrailing, "peak": StopPeak,
}  # fmt: skip
TARGETS: dict[str, type[Strict]] = {
    "percent": StopPercent, "absolute": StopAbsolute, "indicator": StopIndicator, "atr": StopAtr,
    "ladder": TargetLadder,
}  # fmt: skip
STOP = Annotated[Any, one_of_kinds(STOPS, "stop loss", optional=True)]
TARGET = Annotated[Any, one_of_kinds(TARGETS, "take profit", optional=True)]


class SectionS1(Strict):
    """Detection: when an instrument gets a signal."""

    tree: Any = None


class SectionO1(Strict):
    """Cancellation: when a signal is dropped."""

    tree: Any = None
    timeout_s: SECONDS = 0.0
    cooldown_min: MINUTES = 0.0


class SectionZ1(Strict):
    """Entry: conditions, order, size, leverage, stop and target."""

    tree: Any = None
    immediate: Annotated[bool, flag()] = False
    order: Order = Order()
    size: EntrySize
    leverage: Annotated[float, finite("write a number, 1 for none")] = 1.0  # the account bounds it: see consistency.py
    stop_loss: STOP = None
    take_profit: TARGET = None


class SectionZE1(Strict):
    """Regular exit."""

    tree: Any = None
    cooldown_min: MINUTES = 0.0


class Actions(Strict):
    """Actions of the emergency exit besides closing the position."""

    cancel_pending: Annotated[bool, flag()] = True
    close: Annotated[str, word("market")] = "market"
    log: Annotated[bool, flag()] = True


class OnStale(Strict):
    """Action when the feed of an open position is silent for ``after_s`` seconds."""

    after_s: Annotated[float, number(0.0, 86_400.0, above=True)] = 15.0
    do: Annotated[str, word("alert", "exit")] = "alert"


class SectionE1(Strict):
    """Emergency exit; evaluated before every other section."""

    tree: Any = None
    actions: Actions = Actions()
    on_stale: OnStale | None = None
    cooldown_min: MINUTES = 0.0


class Sections(Strict):
    """The five sections; those left out never fire."""

    S1: SectionS1
    O1: SectionO1 = SectionO1()
    Z1: SectionZ1
    ZE1: SectionZE1 = SectionZE1()
    E1: SectionE1 = SectionE1()


class Limits(Strict):
    """Limits of one strategy; null is off."""

    max_concurrent_positions: Annotated[int | None, optional_number(1, limits.INSTANCES_MAX, whole=True)] = None
    max_daily_trades: Annotated[int | None, optional_number(1, 1_000_000, whole=True)] = None
    max_losses_in_row: Annotated[int | None, optional_number(1, 1_000, whole=True)] = None
    loss_cooldown_min: Annotated[float | None, optional_number(0.0, 366 * 1440.0)] = None
    max_hold_min: Annotated[float | None, optional_number(0.0, 366 * 1440.0, above=True)] = None
    daily_loss_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = None
    min_risk_reward: Annotated[float | None, optional_number(0.0, 1_000.0, above=True)] = None


class Account(Strict):
    """Limits shared by all strategies of a run; null is off. The defaults apply when nothing is written."""

    max_position_pct: Annotated[float | None, optional_number(0.0, 10_000.0, above=True)] = 10.0
    max_positions: Annotated[int | None, optional_number(1, limits.INSTANCES_MAX, whole=True)] = 3
    max_symbol_pct: Annotated[float | None, optional_number(0.0, 10_000.0, above=True)] = 30.0
    daily_loss_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = 5.0
    max_drawdown_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = 15.0
    max_margin_pct: Annotated[float | None, optional_number(0.0, 10_000.0, above=True)] = 80.0
    max_leverage: Annotated[float | None, optional_number(1.0, 1_000.0)] = 10.0
    max_order_notional: Annotated[float | None, optional_number(0.0, limits.NOTIONAL_MAX, above=True)] = None
    price_band_pct: Annotated[float | None, optional_number(0.0, 1_000.0, above=True)] = None
    max_portfolio_pct: Annotated[float | None, optional_number(0.0, 100_000.0, above=True)] = None


class SlippageNone(Strict):
    """Fills at the observed price."""

    type: str = "none"


class SlippageBps(Strict):
    """Adverse slippage in basis points: constant (``fixed``), or uniform between 0 and ``bps`` (``random``)."""

    type: str
    bps: Annotated[float, number(0.0, 5_000.0)]


class SlippageImpact(Strict):
    """Square-root impact: ``half_spread_bps`` plus ``coefficient`` times the root of the order's share of volume."""

    type: str
    half_spread_bps: Annotated[float, number(0.0, 5_000.0)] = 0.0
    coefficient: Annotated[float, number(0.0, 5_000.0)]


SLIPPAGES: dict[str, type[Strict]] = {
    "none": SlippageNone, "fixed": SlippageBps, "impact": SlippageImpact, "random": SlippageBps,
}  # fmt: skip
SLIPPAGE = Annotated[Any, one_of_kinds(SLIPPAGES, "slippage")]


QUEUE_POWER = 3.0


class Queue(Strict):
    """Queue model of resting orders, by where cancels at the order's price come from.

    ``risk_averse``: from behind the order. ``log2``, ``power3``: a probability model shares them between ahead and
    behind.
    """

    type: Annotated[str, word("risk_averse", "log2", "power3")] = "risk_averse"
    power: Annotated[float, number(0.0, 100.0, above=True)] = QUEUE_POWER


def _queue(value: Any) -> Any:
    return Queue(type=value) if isinstance(value, str) else value


class TradeCosts(Strict):
    """Trading costs; null takes the instrument's value, else the default.

    ``queue``, ``partial_fills``, ``depth_spreads`` and ``halt_s`` apply to tick data only.
    """

    taker_bps: Annotated[float | None, optional_number(-100.0, 1_000.0)] = None
    maker_bps: Annotated[float | None, optional_number(-100.0, 1_000.0)] = None
    slippage: SLIPPAGE = SlippageNone()
    participation: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    funding: Annotated[str, word("on", "off")] = "on"
    queue: Annotated[Queue, BeforeValidator(_queue)] = Queue()
    partial_fills: Annotated[bool, flag()] = True
    depth_spreads: Annotated[float, number(0.0, 1_000.0)] = 1.0
    halt_s: Annotated[float, number(0.0, 86_400.0)] = 60.0


RECORDED = "recorded"


def _delay(value: Any) -> Any:
    return value if value == RECORDED else check_number(value, 0.0, 60_000.0)


DELAY = Annotated[str | float, BeforeValidator(_delay)]


class Latency(Strict):
    """Delays of commands and answers in ms; ``recorded`` takes the feed latency of the latest tick.

    ``clock``: the timestamp that orders events at the venue; null takes exchange time where the ticks carry it.
    ``receive_offset_ms``: correction of the receive times; null shifts them so that no tick is received before its
    exchange time.
    """

    submit_ms: DELAY = 50.0
    cancel_ms: DELAY = 50.0
    response_ms: DELAY = 50.0
    clock: Annotated[str | None, word("exchange", "receive")] = None
    receive_offset_ms: Annotated[float | None, optional_number(-3.6e6, 3.6e6)] = None

    @property
    def is_recorded(self) -> bool:
        """Whether the delays come from the feed."""
        return RECORDED in (self.submit_ms, self.cancel_ms, self.response_ms)

    def model_post_init(self, _: Any) -> None:
        """Require that all three delays are recorded, or none."""
        delays = (self.submit_ms, self.cancel_ms, self.response_ms)
        if self.is_recorded and any(delay != RECORDED for delay in delays):
            raise refuse("some latencies are recorded and some are not", "write latency: recorded, or three numbers")


def _latency(value: Any) -> Any:
    if value == RECORDED:
        return {"submit_ms": RECORDED, "cancel_ms": RECORDED, "response_ms": RECORDED}
    return value


FEEDS = ("trades", "quotes", "book")


def _feed(value: Any) -> Any:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise refuse(f"{shown(value)} is not a list of feeds", "write feed: [trades, quotes]")
    for name in names:
        if name not in FEEDS:
            raise refuse(f"{shown(name)} is none of {', '.join(FEEDS)}", "write feed: [trades, quotes]")
    return [name for name in FEEDS if name in names]


def _confidence(value: Any) -> Any:
    return None if value is None else value if isinstance(value, str) else check_number(value, -1e15, 1e15)


def _instruments(value: Any) -> Any:
    example = "write instruments: [binance:BTCUSDT-perp]"
    if not isinstance(value, list):
        raise refuse(f"{shown(value)} is not a list", example)
    return value


def _label(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise refuse(f"{shown(value)} is not text", "write a text or a number")
    return value


def _code(value: Any) -> Any:
    if value is not None and (not isinstance(value, str) or not value):
        raise refuse(f"{shown(value)} is not text", "write for example my_strategy.py:MyStrategy")
    return value


class StrategyFile(Strict):
    """All keys of a strategy file. ``class`` and ``module`` belong to the family python."""

    name: Annotated[str, text(3, 100, "write a name of 3 to 100 characters")]
    family: Annotated[str, word(*dict.fromkeys((*families.families_found(), CARRY)))]
    direction: Annotated[str | None, word("LONG", "SHORT")] = None
    instruments: Annotated[list[Any], BeforeValidator(_instruments)] = Field(default_factory=list)
    timeframe: Annotated[str | None, word(*TIMEFRAMES)] = None
    feed: Annotated[list[str] | None, BeforeValidator(_feed)] = None
    latency: Annotated[Latency, BeforeValidator(_latency)] = Latency()
    capital: MONEY = 10_000.0
    confidence: Annotated[Any, BeforeValidator(_confidence)] = None
    variants: Annotated[dict[str, Any], BeforeValidator(named)] = Field(default_factory=dict)
    sections: Sections | None = None
    params: Annotated[dict[str, Any], BeforeValidator(named)] = Field(default_factory=dict)
    class_: Annotated[str | None, BeforeValidator(_code)] = Field(default=None, alias="class")
    module: Annotated[str | None, BeforeValidator(_code)] = None
    costs: TradeCosts = TradeCosts()
    limits: Limits = Limits()
    account: Account = Account()
    version: Annotated[Any, BeforeValidator(_label)] = None
    description: Annotated[Any, BeforeValidator(_label)] = None


KINDS: dict[str, dict[str, type[Strict]]] = {"stop_loss": STOPS, "take_profit": TARGETS, "slippage": SLIPPAGES}
"""For a key whose mapping has a ``type``: the model of each type."""
