"""Compares entry sizes with account limits before a run, and suggests limits when entries would be denied."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tightloop.model.errors import Problem
from tightloop.model.files.diagnostics import Path, dotted
from tightloop.model.files.fields import plain
from tightloop.model.signal.presets import PRESETS, RESEARCH
from tightloop.model.signal.read import Strategy
from tightloop.model.signal.schema import Account, SectionZ1, StopPercent, StopTrailing

SHARE_OF_LIMIT = 1e-9
"""Relative tolerance of a comparison with a limit; the same as in the core's checks."""

SIZE: Path = ("sections", "Z1", "size")
SLOTS: Path = ("limits", "max_concurrent_positions")
Limits = Mapping[str, float]
"""Account limits that are in force, by name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Demand of one entry on the account, in percent of the starting equity.

    ``low_pct``, ``high_pct``: smallest and largest notional. ``leverage``: notional over margin. ``words``: the size as
    text, for messages.
    """

    low_pct: float
    high_pct: float
    leverage: float
    words: str

    def over(self, limits: Limits, equity: float) -> dict[str, float]:
        """Return the limits that the largest entry exceeds, each with a sufficient value (inf: only ``off`` helps).

        ``equity``: starting equity in the settle asset.
        """
        exceeded: dict[str, float] = {}
        for name in ("max_position_pct", "max_symbol_pct", "max_portfolio_pct"):
            if name in limits and self.high_pct > limits[name] * (1.0 + SHARE_OF_LIMIT):
                exceeded[name] = _up(self.high_pct)
        margin_pct = self.high_pct / self.leverage
        if "max_margin_pct" in limits and margin_pct >= limits["max_margin_pct"] * (1.0 - SHARE_OF_LIMIT):
            exceeded["max_margin_pct"] = _up(margin_pct) + 1.0 if margin_pct < 100.0 else math.inf
        notional = self.high_pct * equity / 100.0
        if "max_order_notional" in limits and notional > limits["max_order_notional"] * (1.0 + SHARE_OF_LIMIT):
            exceeded["max_order_notional"] = _up(notional)
        return exceeded


def _up(value: float) -> float:
    """Round up to a whole number, forgiving float residue just above one."""
    return float(math.ceil(value * (1.0 - SHARE_OF_LIMIT)))


def in_force(account: Account) -> dict[str, float]:
    """Return the account's limits that are not off."""
    return {name: float(value) for name, value in account.model_dump().items() if value is not None}


def asked_by(strategy: Strategy, equity: float) -> Asked | None:
    """Return the demand of one entry; None if it depends on prices or on code. ``equity``: starting equity."""
    sections = strategy.read.sections
    if sections is None:
        return None
    z1, value = sections.Z1, float(sections.Z1.size.value)
    if z1.size.type == "percentage":
        pct, basis = value, ""
    elif z1.size.type == "fixed":
        pct = 100.0 * value / equity
        basis = f" ({plain(value)} of {plain(equity)})"
    elif z1.size.type == "risk" and (stop_pct := _stop_pct(z1)) is not None:
        pct = 100.0 * value / stop_pct
        basis = f" (risk {plain(value)} %, stop {plain(stop_pct)} %)"
    else:
        return None
    factors = [float(factor) for _, factor in z1.size.scale.points] if z1.size.scale is not None else [1.0]
    low, high = pct * min(factors), pct * max(factors)
    if z1.size.clamp is not None:
        least, most = (100.0 * float(bound) / equity for bound in z1.size.clamp)
        low, high = min(max(low, least), most), min(max(high, least), most)
    up_to = "up to " if low != high else ""
    return Asked(low, high, z1.leverage, f"size {up_to}{high:.4g} % of equity{basis}")


def _stop_pct(z1: SectionZ1) -> float | None:
    """Return the distance of the stop from the entry in percent; None if it depends on prices."""
    if isinstance(z1.stop_loss, StopPercent):
        return float(z1.stop_loss.value)
    if isinstance(z1.stop_loss, StopTrailing) and z1.stop_loss.trail_pct is not None:
        return float(z1.stop_loss.trail_pct)
    return None


def against_limits(strategies: Sequence[Strategy]) -> list[Problem]:
    """Return warnings about entries and position counts that exceed the shared account limits.

    The starting equity is the sum of the strategies' capital.
    """
    account = strategies[0].read.account
    limits = in_force(account)
    equity = sum(strategy.read.capital for strategy in strategies)
    problems = []
    for strategy in strategies:
        asked = asked_by(strategy, equity)
        if asked is not None:
            problems += _of_size(strategy, asked, limits, equity)
    return problems + _of_positions(strategies, limits)


def _of_size(strategy: Strategy, asked: Asked, limits: Limits, equity: float) -> list[Problem]:
    over = asked.over(limits, equity)
    if not over:
        return []
    each = Asked(asked.low_pct, asked.low_pct, asked.leverage, "").over(limits, equity)
    all_or_some = "every entry" if each else "the largest entries"
    file, line = strategy.place(SIZE)
    message = f"{asked.words}{above(over, limits, asked)}: {all_or_some} will be denied"
    return [Problem(file, line, dotted(SIZE), message, f"write a smaller size, or {instead(over)}")]


def above(over: Iterable[str], limits: Limits, asked: Asked) -> str:
    """Return the text that names the exceeded limits; it continues ``asked.words``."""
    of_size = [f"{name} ({plain(limits[name])})" for name in over if name != "max_margin_pct"]
    parts = [f" is above {' and '.join(of_size)}"] if of_size else []
    if "max_margin_pct" in over:
        margin = f"a margin of {asked.high_pct / asked.leverage:.4g} %"
        bound = f"not below max_margin_pct ({plain(limits['max_margin_pct'])})"
        parts.append(f", with {margin} {bound}" if parts else f" has {margin}, {bound}")
    return "".join(parts)


def _of_positions(strategies: Sequence[Strategy], limits: Limits) -> list[Problem]:
    """Return warnings about position slots that ``account.max_positions`` can never allow."""
    if "max_positions" not in limits:
        return []
    allowed, problems, total = limits["max_positions"], [], 0
    for strategy in strategies:
        slots = strategy.read.limits.max_concurrent_positions
        count = len(strategy.instruments)
        total += count if slots is None else min(slots, count)
        if slots is not None and slots > allowed:
            file, line = strategy.place(SLOTS)
            message = f"{slots} is more than max_positions ({plain(allowed)}): entries beyond it will be denied"
            problems.append(Problem(file, line, dotted(SLOTS), message, instead({"max_positions": float(slots)})))
    if len(strategies) > 1 and total > allowed and not problems:
        file, line = strategies[0].place(("account",))
        message = (
            f"{len(strategies)} strategies may hold {total} positions at once, and max_positions is "
            f"{plain(allowed)}: entries beyond it will be denied"
        )
        problems.append(Problem(file, line, "account.max_positions", message, instead({"max_positions": float(total)})))
    return problems


def instead(over: Mapping[str, float]) -> str:
    """Return the remedy that raises denying limits, or the research account where it helps.

    ``over``: a sufficient value by limit name; infinity where only ``off`` helps.
    """
    written = {name: "off" if math.isinf(value) else plain(value) for name, value in over.items()}
    text = f"write account: {{{', '.join(f'{name}: {value}' for name, value in written.items())}}}"
    rest = [name for name in written if name not in PRESETS[RESEARCH]]
    if len(rest) == len(written):
        return text
    more = "".join(f" --set account.{name}={written[name]}" for name in rest)
    return f"{text} or --account {RESEARCH}{more}"
