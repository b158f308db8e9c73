"""What the step wrote, told on the bus: orders, fills, risk, and what strategies went through.

A message is the bytes of one row of the log; its place is the seq of the ROWS record that has it and the row in it. So
who fell behind reads the same messages again from the journal: ``replayed`` gives them.
"""

import zlib
from collections.abc import Iterable, Iterator
from types import MappingProxyType

import numpy as np

from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import LOG_ROW, Rows
from tightloop.runtime.session.bus import Bus, Place, Published, Topic
from tightloop.runtime.session.journal.layout import JournalRecord, RecordKind

ORDERS, FILLS, RISK, STRATEGIES = (Topic[bytes](name) for name in ("orders", "fills", "risk", "strategies"))
TOPICS = MappingProxyType(
    dict.fromkeys((RowKind.SUBMIT, RowKind.CANCEL, RowKind.AMEND, RowKind.ORDER), ORDERS)
    | dict.fromkeys((RowKind.FILL, RowKind.FUNDING), FILLS)
    | dict.fromkeys((RowKind.WARNING,), RISK)
    | dict.fromkeys((RowKind.TRADE,), STRATEGIES)
)
"""Topics of the kinds of rows; what is not here is not told."""
_NOTHING = ""
_TOPIC_OF = {int(kind): topic for kind, topic in TOPICS.items()}


def publish(bus: Bus, seq: int, rows: Rows) -> None:
    """Publish the rows of record ``seq``."""
    for at, kind in enumerate(rows["kind"].tolist()):
        topic = _TOPIC_OF.get(kind)
        if topic is not None:
            bus.publish(topic, Place(seq, at), rows[at].tobytes())


def replayed(records: Iterable[JournalRecord], seq: int) -> Iterator[Published]:
    """Yield what was published from record ``seq`` on."""
    for record in records:
        if record.kind != RecordKind.ROWS:
            yield Published(_NOTHING, Place(record.seq), None)
        elif record.seq >= seq:
            rows = np.frombuffer(zlib.decompress(record.payload), LOG_ROW)
            for at, kind in enumerate(rows["kind"].tolist()):
                topic = _TOPIC_OF.get(kind)
                if topic is not None:
                    yield Published(topic.name, Place(record.seq, at), rows[at].tobytes())


def row_of(message: bytes) -> Rows:
    """Return the one row of the log that a message is."""
    row: Rows = np.frombuffer(message, LOG_ROW)
    return row
