"""Records of a journal as lines of JSON."""

import json
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.ports.disk import Disk
from tightloop.runtime.results.reasons import REASONS
from tightloop.runtime.session.account.inputs import AccountInput, InputKind, answer_of, prices_of, unpacked
from tightloop.runtime.session.journal import JournalRecord, RecordKind, whole_events

RECORD_NAMES = {kind.value: kind.name for kind in RecordKind}
ROW_NAMES = {kind.value: kind.name for kind in RowKind}
_TICKED = struct.Struct("<QQ")
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
    return head | (_event(event) if event else _decoded(record) or _content(record.payload))


def _event(event: bytes) -> dict[str, Any]:
    """Return the fields of an EVENT that are not 0; NaN is null."""
    (row,) = np.frombuffer(event, EVENT)
    assert EVENT.names is not None
    fields = {name: _number(row[name].item()) for name in EVENT.names if row[name] != 0}
    kind = int(row["kind"])
    return {"event": fields | {"kind": KIND_NAMES.get(kind, kind)}}


def _decoded(record: JournalRecord) -> dict[str, Any]:
    """Return what a record says whose kind has a form of its own; nothing for others, and for bytes that are not so."""
    try:
        if record.kind == RecordKind.ROWS:
            return {"rows": [_row(row) for row in np.frombuffer(zlib.decompress(record.payload), LOG_ROW)]}
        if record.kind == RecordKind.TICKED:
            seq, found = _TICKED.unpack(record.payload)
            return {"ticked": {"seq": seq, "hash": f"{found:016x}"}}
        if record.kind == RecordKind.ANSWER:
            return {"answer": _answer(unpacked(record.payload))}
    except (zlib.error, struct.error, ValueError):
        pass  # a journal of another hand: its bytes are shown
    return {}


def _row(row: Any) -> dict[str, Any]:
    """Return the fields of a row of the log that are neither 0 nor NaN, kind and reason by name."""
    assert LOG_ROW.names is not None
    fields = {name: _number(row[name].item()) for name in LOG_ROW.names if row[name] != 0 and row[name] == row[name]}
    kind, reason = int(row["kind"]), int(row["reason"])
    fields["kind"] = ROW_NAMES.get(kind, kind)
    if reason:
        fields["reason"] = REASONS.get(reason, reason)
    return fields


def _answer(given: AccountInput) -> dict[str, Any]:
    """Return an input of the desk; the venue's own words as they came."""
    found = {"kind": given.kind.name, "now_ns": given.now_ns, "number": given.number}
    if given.kind == InputKind.COMMAND:
        return found | {"row": _row(np.frombuffer(given.body, LOG_ROW)[0])}
    if given.kind == InputKind.REPLY:
        said = answer_of(given.body)
        return found | {"status": said.status} | _content(said.body)
    if given.kind == InputKind.PRICES:
        return found | {name: _number(value) for name, value in prices_of(given.body).items()}
    return found | (_content(given.body) if given.body else {})


def _number(value: float) -> float | str | None:
    """Return a number as JSON can say it: NaN is null, an infinity its name."""
    if math.isnan(value):
        return None
    return str(value) if math.isinf(value) else value


def _content(payload: bytes) -> dict[str, Any]:
    """Return bytes as what they are: JSON, text, or hexadecimal."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"hex": payload.hex()}
    try:
        return {"content": json.loads(text, parse_constant=str)}
    except json.JSONDecodeError:
        return {"text": text} if text.isprintable() else {"hex": payload.hex()}
