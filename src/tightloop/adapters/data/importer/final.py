"""Detects bars that are not final: flagged so by their source, or not ended when the file was written."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import is_text
from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.adapters.data.importer.tables import Rows
from tightloop.model.errors import InputError
from tightloop.model.times import iso

FINAL = (
    "confirm", "confirmed", "isconfirmed", "final", "isfinal", "finalized", "closed", "isclosed", "barclosed",
    "candleclosed", "complete", "completed", "iscomplete", "iscompleted", "finished", "isfinished", "done", "settled",
    "x",
)  # fmt: skip
OPEN = (
    "incomplete", "isincomplete", "partial", "ispartial", "isopen", "unclosed", "unconfirmed", "forming", "isforming",
    "provisional", "islive", "inprogress", "temporary", "preliminary", "current", "iscurrent",
)  # fmt: skip
EITHER = ("status", "state", "barstatus", "candlestatus")
"""Column names, lower case without punctuation. FINAL: true is final. OPEN: true is open. EITHER: words tell."""

_TRUE, _FALSE = ("1", "1.0", "true", "t", "yes", "y", "on"), ("0", "0.0", "false", "f", "no", "n", "off")
_CLOSED = ("closed", "final", "complete", "completed", "confirmed", "finished", "done", "settled")
_OPEN = ("open", "partial", "incomplete", "unconfirmed", "forming", "provisional", "active", "current")
_NAMED_MAX = 12


def plain_name(name: str) -> str:
    """Return a column's name in lower case without punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def final_rows(rows: Rows, used: Sequence[str]) -> tuple[Flags | None, tuple[str, ...], list[str]]:
    """Return flags of final rows (None: no column tells), the columns that tell, and notes for the user.

    Raises InputError if such a column has a value that is no flag.
    """
    kept: Flags | None = None
    deciding: list[str] = []
    notes: list[str] = []
    for name in rows.columns:
        words = {**_meaning(plain_name(name))}
        if name in used or not words:
            continue
        is_final = _flags(rows, name, words)
        if is_final is None:
            continue
        deciding.append(name)
        kept = is_final if kept is None else kept & is_final
        dropped = int((~is_final).sum())
        left_out = (
            f"{dropped} of {len(is_final)} rows are not final and are left out" if dropped else "every row is final"
        )
        notes.append(f"{name}: {left_out}")
    if kept is not None and not kept.any():
        raise InputError.one(rows.file, None, deciding[0], "marks no row as final", "fetch bars that have ended")
    return kept, tuple(deciding), notes


def _meaning(name: str) -> Mapping[str, bool]:
    closed = dict.fromkeys(_CLOSED, True) | dict.fromkeys(_OPEN, False)
    if name in FINAL:
        return dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False) | closed
    if name in OPEN:
        return dict.fromkeys(_TRUE, False) | dict.fromkeys(_FALSE, True) | closed
    return closed if name in EITHER else {}


def _texts(column: pa.ChunkedArray) -> list[str | None] | None:
    """Return a column as lower-case words, None for empty cells; None if the type cannot hold words or flags."""
    kind = column.type
    if not (is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    return [None if value in (None, "") else str(value).strip().lower() for value in column.to_pylist()]


def _flags(rows: Rows, name: str, words: Mapping[str, bool]) -> Flags | None:
    texts = _texts(rows.columns[name])
    if texts is None or not any(text in words for text in texts):
        return None
    wrong = next((row for row, text in enumerate(texts) if text not in words), None)
    if wrong is not None:
        value = rows.columns[name][wrong].as_py()
        line = rows.line_of(wrong)
        where = "" if line is not None else f" (row {wrong + 1})"
        shown = "an empty cell" if value in (None, "") else repr(value)
        message = f"{shown}{where} does not say whether the bar is final, as the other rows do"
        raise InputError.one(rows.file, line, name, message, "write true or false, or remove the column")
    return np.array([words[text] for text in texts if text is not None], bool)


def unused(rows: Rows, used: Sequence[str]) -> list[str]:
    """Return notes that list the columns an import does not use, and those that look like flags."""
    left = [name for name in rows.columns if name not in used]
    if not left:
        return []
    more = f" and {len(left) - _NAMED_MAX} more" if len(left) > _NAMED_MAX else ""
    notes = [f"not used: {', '.join(name or '(no name)' for name in left[:_NAMED_MAX])}{more}"]
    for name in left if rows.named else ():
        texts = set(_texts(rows.columns[name]) or [None])
        if len(texts) == 2 and texts <= {*_TRUE, *_FALSE}:
            notes.append(f"{name or '(no name)'} holds two flags: if it says which bars are final, call it is_final")
    return notes


def ended(rows: Rows, opens: Times, ends: Times, now_ns: int) -> tuple[Flags | None, list[str]]:
    """Return flags of bars that had ended when the file was written and at ``now_ns``, and notes; None if all had.

    A bar that contains either time is incomplete. Bars that begin after ``now_ns`` are kept with a note: their times
    are wrong or synthetic.
    """
    kept = np.ones(len(opens), bool)
    notes = []
    written_ns = min(rows.file.stat().st_mtime_ns, now_ns)
    for at_ns, when in ((written_ns, "when the file was written"), (now_ns, "yet")):
        inside = kept & (opens <= at_ns) & (ends > at_ns)
        if inside.any():
            first = iso(int(opens[inside].min()))
            many = int(inside.sum())
            what = "1 bar had" if many == 1 else f"{many} bars had"
            notes.append(f"{what} not ended {when} ({iso(at_ns // 10**9 * 10**9)}) and {'is' if many == 1 else 'are'} "
                         f"left out: {first}")  # fmt: skip
            kept &= ~inside
    later = int((opens > now_ns).sum())
    if later:
        notes.append(f"{later} bars begin after now ({iso(now_ns // 10**9 * 10**9)}): is their time zone right?")
    if not kept.any():
        message = "holds no bar that has ended"
        raise InputError.one(rows.file, None, "ts", message, "fetch it again when a bar has ended")
    return (None, notes) if kept.all() else (kept, notes)
