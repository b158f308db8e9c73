"""Result of a run of any family: tables, and a summary that has the same keys in the same order.

``result.json`` is read by programs and compared byte for byte, so the order of keys is made here and nowhere else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop import __version__
from tightloop.core.domain.enums import WarningCode
from tightloop.model.times import iso
from tightloop.runtime.results.recorder import Columns

Table = dict[str, npt.NDArray[Any] | list[Any]]
"""Columns of one length. Numbers are arrays, NaN where a float is unknown; texts are arrays of objects or lists."""


@dataclass(slots=True)
class Result:
    """Result of one run: ``summary`` is result.json, ``tables`` the Parquet files, ``quality`` the gate's reports."""

    summary: dict[str, Any]
    tables: dict[str, Table]
    quality: list[dict[str, Any]]


def digest(*parts: object) -> str:
    """Hash parts as text, in order; a separator keeps ('ab', 'c') and ('a', 'bc') apart. 64 hex digits."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


def data_hash(feed_rows: list[npt.NDArray[Any]]) -> str:
    """Hash every row that a run read: 32 hex digits."""
    hasher = hashlib.blake2b(digest_size=16)
    for rows in feed_rows:
        hasher.update(str(rows.dtype.itemsize).encode())
        hasher.update(np.ascontiguousarray(rows).view(np.uint8).data)
    return hasher.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which run a result is of. ``family``: None for families whose results have no keys beside the common ones.

    ``capital``: equity at the beginning, in ``settle_asset`` (the share class of a carry run).
    """

    strategy: str
    config_hash: str
    data_hash: str
    seed: int
    settle_asset: str
    instruments: Sequence[object]
    timeframe: str | None
    feed: list[str] | None
    capital: float
    family: str | None = None

    @cached_property
    def session_id(self) -> str:
        """``ses_`` and 12 hex digits: the same for every repetition of the run by this version of the engine."""
        return "ses_" + digest(self.config_hash, self.data_hash, self.seed, __version__)[:12]


def summary(
    identity: Identity,
    ts_ns: npt.NDArray[np.int64],
    equity: npt.NDArray[np.float64],
    state_hash: str,
    *,
    metrics: Mapping[str, Any],
    attribution: Mapping[str, float],
    account: Mapping[str, Any],
    warnings: list[str],
    denied: list[dict[str, Any]],
    figures: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the summary of a run from its records of equity, ``(n_records,)``, and the figures of its family.

    ``attribution`` splits the change of equity; ``account``: limits in force; ``denied``: rows as of
    ``denials.denied``; ``figures``: those that only this family has.
    """
    count = len(ts_ns)
    return {
        "strategy": identity.strategy,
        **({} if identity.family is None else {"family": identity.family}),
        "config_hash": identity.config_hash,
        "data_hash": identity.data_hash,
        "engine_version": __version__,
        "seed": identity.seed,
        "session_id": identity.session_id,
        "settle_asset": identity.settle_asset,
        "instruments": [str(instrument) for instrument in identity.instruments],
        "timeframe": identity.timeframe,
        "feed": identity.feed,
        "from": iso(int(ts_ns[0])) if count else None,
        "to": iso(int(ts_ns[-1])) if count else None,
        "initial_equity": identity.capital,
        "final_equity": float(equity[-1]) if count else identity.capital,
        "state_hash": state_hash,
        "metrics": dict(metrics),
        **({} if figures is None else {"figures": dict(figures)}),
        "attribution": dict(attribution),
        "account": dict(account),
        "warnings": warnings,
        "denied": denied,
    }


def warning_lines(rows: Columns, texts: Mapping[WarningCode, str]) -> list[str]:
    """Write one line for each kind of warning in the log, in the order of ``texts``: its count and its first time."""
    lines = []
    for code, text in texts.items():
        chosen = np.flatnonzero(rows["code"] == int(code))
        if len(chosen):
            first, value = iso(int(rows["ts_ns"][chosen[0]])), float(rows["value"][chosen[0]])
            lines.append(text.format(count=len(chosen), first=first, value=value))
    return lines
