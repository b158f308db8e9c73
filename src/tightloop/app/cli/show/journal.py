"""Records of a journal as lines of JSON."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal import JournalRecord, RecordKind, whole_events

RECORD_NAMES = {kind.value: kind.name for kind in RecordKind}
KIND_NAMES = {kind.value: kind.name for kind in EventKind}


def lines(disk: Disk, folder: str, from_seq: int, kinds: frozenset[int]) -> Iterator[str]:
    """Yield a line for each record from ``from_seq`` on of these kinds (none: all). Raises as ``whole_events`` does."""
    for record, event in whole_events(disk, folder):
        if record.seq >= from_seq and (not kinds or record.kind in kinds):
            yield json.dumps(_plain(record, event), allow_nan=False)


def _plain(record: JournalRecord, event: bytes) -> dict[str, Any]:
    head = {
        "seq": record.seq,
        "kind": RECORD_NAMES.get(record.kind, record.kind),
        "file": record.file,
        "offset": record.offset,
        "flags": record.flags,
        "bytes": len(record.payload),
    }
    return head | (_event(event) if event else _content(record.payload))


def _event(event: bytes) -> dict[str, Any]:
    """Return the fields of an EVENT that are not 0; NaN is null."""
    (row,) = np.frombuffer(event, EVENT)
    assert EVENT.names is not None
    fields = {name: _number(row[name].item()) for name in EVENT.names if row[name] != 0}
    kind = int(row["kind"])
    return {"event": fields | {"kind": KIND_NAMES.get(kind, kind)}}


def _number(value: float) -> float | str | None:
    """Return a number as JSON can say it: NaN is null, an infinity its name."""
    if math.isnan(value):
        return None
    return str(value) if math.isinf(value) else value


def _content(payload: bytes) -> dict[str, Any]:
    """Return a payload as what it is: JSON, text, or the words of rows in hexadecimal."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"hex": payload.hex()}
    try:
        return {"content": json.loads(text, parse_constant=str)}
    except json.JSONDecodeError:
        return {"text": text} if text.isprintable() else {"hex": payload.hex()}
