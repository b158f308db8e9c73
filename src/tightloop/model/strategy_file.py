"""The keys of a strategy file, their types and bounds, before names are resolved."""

from typing import Annotated, Any

from tightloop.core import families, limits
from tightloop.model.fields import Strict, flag, number, one_of_kinds, optional_number, refuse, text, word
from tightloop.model.instruments import TIMEFRAMES

PERCENT = Annotated[float, number(0.0, 100.0, above=True)]
MONEY = Annotated[float, number(0.0, limits.NOTIONAL_MAX, above=True)]
PRICE = Annotated[float, number(0.0, limits.PRICE_MAX, above=True)]
MINUTES = Annotated[float, number(0.0, 366 * 1440.0)]
SECONDS = Annotated[float, number(0.0, 366 * 86_400.0)]


class Order(Strict):
    """How an entry is asked for. ``offset_bps`` moves the price, up when positive."""

    type: Annotated[str, word("market", "limit", "stop", "stop_limit")] = "market"
    price: Any = "close"
    offset_bps: Annotated[float, number(-5_000.0, 5_000.0)] = 0.0
    limit_offset_bps: Annotated[float, number(0.0, 5_000.0)] = 0.0
    ttl_s: Annotated[float | None, optional_number(0.0, 366 * 86_400.0, above=True)] = None
    tif: Annotated[str, word("GTC", "IOC", "FOK", "GTT")] = "GTC"
    post_only: Annotated[bool, flag()] = False


class Scale(Strict):
    """A factor on the size, linear between [value, factor] points, from a risk variant."""

    variant: str
    points: list[list[float]]


class Size(Strict):
    type: Annotated[str, word("fixed", "units", "percentage", "risk")]
    value: Annotated[float, number(0.0, limits.NOTIONAL_MAX, above=True)]
    clamp: list[MONEY] | None = None
    scale: Scale | None = None


TRIGGER = Annotated[str, word("last", "mark", "touch")]
OF = Annotated[str, word("entry", "signal")]


class StopPercent(Strict):
    type: str
    value: Annotated[float, number(0.0, 1_000.0, above=True)]
    of: OF = "entry"
    trigger: TRIGGER = "touch"


class StopAbsolute(Strict):
    type: str
    price: PRICE
    trigger: TRIGGER = "touch"


class StopIndicator(Strict):
    type: str
    variant: str
    offset_pct: Annotated[float, number(-100.0, 100.0)] = 0.0
    trigger: TRIGGER = "touch"


class StopAtr(Strict):
    type: str
    variant: str
    multiple: Annotated[float, number(0.0, 1_000.0, above=True)]
    of: OF = "entry"
    trigger: TRIGGER = "touch"


class StopTrailing(Strict):
    type: str
    arm_pct: Annotated[float, number(0.0, 1_000.0)] = 0.0
    trail_pct: Annotated[float | None, optional_number(0.0, 99.0, above=True)] = None
    variant: str | None = None
    multiple: Annotated[float | None, optional_number(0.0, 1_000.0, above=True)] = None
    trigger: TRIGGER = "touch"

    def model_post_init(self, _: Any) -> None:
        by_percent, by_variant = self.trail_pct is not None, self.variant is not None and self.multiple is not None
        if by_percent == by_variant:
            raise refuse("a trailing stop has trail_pct, or variant and multiple", "write one of the two")


class StopPeak(Strict):
    type: str
    buffer_pct: Annotated[float, number(0.0, 1_000.0, above=True)]
    trigger: TRIGGER = "touch"


class TargetLadder(Strict):
    type: str
    of: Annotated[str, word("percent", "pump_retracement")]
    steps: list[list[float]]
    base: str | None = None

    def model_post_init(self, _: Any) -> None:
        if not 1 <= len(self.steps) <= limits.LADDER_STEPS_MAX:
            raise refuse(
                f"{len(self.steps)} steps are not between 1 and {limits.LADDER_STEPS_MAX}",
                "write steps: [[at, share_pct]]",
            )
        if any(len(s) != 2 or not s[0] > 0 or not 0 < s[1] <= 100 for s in self.steps):
            raise refuse("a step is [at, share_pct], both above 0", "write steps: [[30, 50], [50, 50]]")
        if sum(s[1] for s in self.steps) > 100.0 + 1e-9:
            raise refuse("the shares add up to more than 100", "write shares that add up to 100 or less")
        if [s[0] for s in self.steps] != sorted({s[0] for s in self.steps}):
            raise refuse("the steps are not in ascending order", "write the nearest step first, each once")


STOP = Annotated[Any, one_of_kinds(
    {"percent": StopPercent, "absolute": StopAbsolute, "indicator": StopIndicator, "atr": StopAtr,
     "trailing": StopTrailing, "peak": StopPeak}, "stop loss",
)]  # fmt: skip
TARGET = Annotated[Any, one_of_kinds(
    {"percent": StopPercent, "absolute": StopAbsolute, "indicator": StopIndicator, "atr": StopAtr,
     "ladder": TargetLadder}, "take profit",
)]  # fmt: skip


class SectionS1(Strict):
    tree: Any = None


class SectionO1(Strict):
    tree: Any = None
    timeout_s: SECONDS = 0.0
    cooldown_min: MINUTES = 0.0


class SectionZ1(Strict):
    tree: Any = None
    immediate: Annotated[bool, flag()] = False
    order: Order = Order()
    size: Size
    leverage: Annotated[float, number(-1e9, 1e9)] = 1.0  # bounded by the account: config checks it
    stop_loss: STOP = None
    take_profit: TARGET = None


class SectionZE1(Strict):
    tree: Any = None
    cooldown_min: MINUTES = 0.0


class Actions(Strict):
    cancel_pending: Annotated[bool, flag()] = True
    close: Annotated[str, word("market")] = "market"
    log: Annotated[bool, flag()] = True


class OnStale(Strict):
    after_s: Annotated[float, number(0.0, 86_400.0, above=True)] = 15.0
    do: Annotated[str, word("alert", "exit")] = "alert"


class SectionE1(Strict):
    tree: Any = None
    actions: Actions = Actions()
    on_stale: OnStale | None = None
    cooldown_min: MINUTES = 0.0


class Sections(Strict):
    S1: SectionS1
    O1: SectionO1 = SectionO1()
    Z1: SectionZ1
    ZE1: SectionZE1 = SectionZE1()
    E1: SectionE1 = SectionE1()


class Limits(Strict):
    """Of this strategy; null is off."""

    max_concurrent_positions: Annotated[int | None, optional_number(1, limits.INSTANCES_MAX, whole=True)] = None
    max_daily_trades: Annotated[int | None, optional_number(1, 1_000_000, whole=True)] = None
    max_losses_in_row: Annotated[int | None, optional_number(1, 1_000, whole=True)] = None
    loss_cooldown_min: Annotated[float | None, optional_number(0.0, 366 * 1440.0)] = None
    max_hold_min: Annotated[float | None, optional_number(0.0, 366 * 1440.0, above=True)] = None
    daily_loss_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = None
    min_risk_reward: Annotated[float | None, optional_number(0.0, 1_000.0, above=True)] = None


class Account(Strict):
    """Of all strategies together; null is off. These defaults apply always."""

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
    type: str = "none"


class SlippageBps(Strict):
    type: str
    bps: Annotated[float, number(0.0, 5_000.0)]


class SlippageImpact(Strict):
    type: str
    half_spread_bps: Annotated[float, number(0.0, 5_000.0)] = 0.0
    coefficient: Annotated[float, number(0.0, 5_000.0)]


SLIPPAGE = Annotated[
    Any,
    one_of_kinds(
        {"none": SlippageNone, "fixed": SlippageBps, "impact": SlippageImpact, "random": SlippageBps}, "slippage"
    ),
]


class Costs(Strict):
    """null: the instrument's, else the default."""

    taker_bps: Annotated[float | None, optional_number(-100.0, 1_000.0)] = None
    maker_bps: Annotated[float | None, optional_number(-100.0, 1_000.0)] = None
    slippage: SLIPPAGE = SlippageNone()
    participation: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    funding: Annotated[str, word("on", "off")] = "on"


class StrategyFile(Strict):
    """The keys of a signal strategy, before names are resolved."""

    name: Annotated[str, text(3, 100, "write a name of 3 to 100 characters")]
    family: Annotated[str, word(*families.families_found())]
    direction: Annotated[str, word("LONG", "SHORT")]
    instruments: list[Any] = []
    timeframe: Annotated[str, word(*TIMEFRAMES)]
    capital: MONEY = 10_000.0
    confidence: Any = None
    variants: dict[str, Any] = {}
    sections: Sections | None = None
    params: dict[str, Any] = {}
    costs: Costs = Costs()
    limits: Limits = Limits()
    account: Account = Account()
    version: Any = None
    description: Any = None


MODELS: dict[str, type[Strict]] = {
    "": StrategyFile, "sections": Sections, "costs": Costs, "limits": Limits, "account": Account,
    "S1": SectionS1, "O1": SectionO1, "Z1": SectionZ1, "ZE1": SectionZE1, "E1": SectionE1, "order": Order, "size": Size, "actions": Actions,
    "on_stale": OnStale, "scale": Scale,
}  # fmt: skip
"""Models by the key they stand under, for suggestions."""
