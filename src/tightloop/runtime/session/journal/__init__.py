"""The journal of a session: what was received and decided, appended before anything leaves.

``layout.py`` has the format. ``Journal`` writes, ``records``, ``events`` and ``check`` read; ``FactWriter`` appends
events and rows, ``JournalFollower`` reads while another writes; ``snapshots.py`` keeps states that spare reading from
the beginning.
"""

from tightloop.runtime.session.journal.batches import FactWriter
from tightloop.runtime.session.journal.checking import Beside, JournalVerdict, check
from tightloop.runtime.session.journal.cutting import Cut
from tightloop.runtime.session.journal.facts import FactDecoder, FactEncoder
from tightloop.runtime.session.journal.following import JournalFollower
from tightloop.runtime.session.journal.layout import (
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalRecord,
    LayoutDiffers,
    RecordKind,
    SegmentSizes,
)
from tightloop.runtime.session.journal.reading import events, records
from tightloop.runtime.session.journal.reduced_segments import whole_events
from tightloop.runtime.session.journal.scan import FaultKind, JournalFault
from tightloop.runtime.session.journal.writer import NEXT_EPOCH, Found, Journal

__all__ = [
    "NEXT_EPOCH",
    "Beside",
    "Cut",
    "FactDecoder",
    "FactEncoder",
    "FactWriter",
    "FaultKind",
    "Found",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalFault",
    "JournalFollower",
    "JournalFull",
    "JournalRecord",
    "JournalVerdict",
    "LayoutDiffers",
    "RecordKind",
    "SegmentSizes",
    "check",
    "events",
    "records",
    "whole_events",
]
