"""Warnings about the data and rules of a run: one line per kind, however many instruments are affected."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tightloop.core import indicators
from tightloop.model.instruments import InstrumentId, InstrumentRules, rules_stated_for
from tightloop.model.signal.read import Strategy

SYNTHETIC = "synthetic data: no price in it was ever paid, and no result on it says what a strategy earns"
OLDER: Mapping[str, Any] = {"is_synthetic": None, "denied": ()}
"""Defaults for keys that results of older versions lack."""
NAMED_MAX = 5
COSTS = ("taker_bps", "maker_bps")
OF_ACCOUNT = (
    "daily loss limit",
    "drawdown limit reached",
    "liquidations:",
    "kill switch was used",
    "feed fell silent",
    "ruined at",
)


def is_of_account(warning: str) -> bool:
    """Return whether a warning is about the account (stops, liquidation, silent feed) rather than data or rules."""
    return any(words in warning for words in OF_ACCOUNT)


def is_synthetic(result: Mapping[str, Any]) -> bool:
    """Return whether the run of a ``result.json`` read synthetic data."""
    return bool({**OLDER, **result}["is_synthetic"])


def denials(result: Mapping[str, Any]) -> list[str]:
    """Return a line per check that denied entries in the run of a ``result.json``: count and remedy."""
    return [str(row["text"]) for row in {**OLDER, **result}["denied"]]


def never_known(strategies: Iterable[Strategy], bars: Mapping[InstrumentId, int], span_s: float) -> list[str]:
    """Return a line per variant that stayed in warm-up for the whole run, so no condition could read it.

    ``bars``: bars of the run per instrument (empty on ticks). ``span_s``: length of the run on ticks, in seconds.
    """
    lines = []
    for strategy in strategies:
        for variant in strategy.variants.values():
            indicator = indicators.load(variant.type)
            if indicator.is_windowed:
                reach_s = max((end_s for _, end_s in indicator.ends(variant.values)), default=0.0)
                if reach_s > span_s:
                    lines.append(_unknown(variant.name, "", f"looks back {reach_s:g} s", f"{max(span_s, 0.0):g} s"))
            elif len(indicator.outputs) > 1:
                continue  # ``warmup`` is that of the slowest output; another may have been known before
            elif hasattr(indicator.module, "update") and variant.timeframe in (None, strategy.read.timeframe):
                needed = indicator.warmup(variant.values)
                short = {name: bars[name] for name in strategy.instruments if bars.get(name, needed) < needed}
                if short:
                    where = " on " + listed([str(name) for name in short])
                    lines.append(_unknown(variant.name, where, f"needs {needed} bars", f"{max(short.values())}"))
    return lines


def _unknown(name: str, where: str, needs: str, has: str) -> str:
    return (
        f"{name} was never known{where}, so no condition on it could be TRUE: it {needs}, the run has {has}; "
        f"run over a longer time, or with a shorter look-back"
    )


def listed(names: Sequence[str]) -> str:
    """Join names with commas; beyond NAMED_MAX, say how many more there are."""
    rest = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")


def faults(reports: Iterable[Any]) -> list[str]:
    """Return a line per kind of data fault; if several datasets have it, their number and the worst one."""
    by_kind: dict[str, list[tuple[str, Any]]] = {}
    for report in reports:
        for fault in report.faults:
            by_kind.setdefault(fault.kind, []).append((report.path, fault))
    lines = []
    for kind, places in by_kind.items():
        path, worst = max(places, key=lambda place: place[1].count)
        among = f"in {len(places)} datasets, most in {path}" if len(places) > 1 else f"in {path}"
        lines.append(f"{kind} {among}: {worst.detail}")
    return lines


def defaults(rules: Mapping[InstrumentId, InstrumentRules], costs_are_stated: bool) -> list[str]:
    """Return at most one line naming the venue rules that fell back to defaults, less those the strategy states."""
    ignored = COSTS if costs_are_stated else ()
    groups: dict[str, list[str]] = {}
    for instrument, stated in rules.items():
        used = [name for name in stated.defaults_used if name not in ignored]
        everything = [name for name in rules_stated_for(instrument.market) if name not in ignored]
        if used:
            groups.setdefault("all rules" if used == everything else ", ".join(used), []).append(str(instrument))
    parts = [f"{used} of {listed(names)}" for used, names in groups.items()]
    return [f"defaults apply to rules that instruments.yaml does not set: {'; '.join(parts)}"] if parts else []


def without_funding(instruments: Sequence[InstrumentId]) -> list[str]:
    """Return at most one line with the perps for which the catalog has no funding rates."""
    names = [str(instrument) for instrument in instruments]
    return [f"no funding rates in the data for {listed(names)}: none were charged or paid"] if names else []
