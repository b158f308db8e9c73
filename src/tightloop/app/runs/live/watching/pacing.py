"""The records of a journal at the pace at which they came, or at a multiple of it, for people who watch."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tightloop.core.domain.types import EVENT, LOG_ROW, Record
from tightloop.runtime.session.journal import RecordKind
from tightloop.runtime.session.journal.layout import JournalRecord


@dataclass(frozen=True)
class Pace:
    """Holds facts back until their time has come, counted from the first of them.

    ``speed``: seconds of the session in one of ours. ``show`` is told each row once what was made again equals it.
    """

    speed: float
    show: Callable[[Record], None]
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def held(self, records: Iterable[tuple[JournalRecord, bytes]]) -> Iterator[tuple[JournalRecord, bytes]]:
        """Yield the records, each with its event's bytes, none before its time."""
        begun_s, first_ns = self.now_s(), None
        for record, event in records:
            if record.kind == RecordKind.FACT:
                ts_ns = int(np.frombuffer(event, EVENT)[0]["ts_init_ns"])
                first_ns = ts_ns if first_ns is None else first_ns
                early_s = (ts_ns - first_ns) / 1e9 / self.speed - (self.now_s() - begun_s)
                if early_s > 0.0:
                    self.sleep(early_s)
            yield record, event
            if record.kind == RecordKind.ROWS:
                for row in np.frombuffer(zlib.decompress(record.payload), LOG_ROW):
                    self.show(row)
