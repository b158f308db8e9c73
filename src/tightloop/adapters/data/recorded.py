"""Writes what a session received as a catalog: a run on it with ``clock: receive`` sees it in the same order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tightloop.adapters.data._shared import RECORDING_FILE, RULES_FILE, check_room, stamps, write_table
from tightloop.core.domain.types import EVENT, Rows
from tightloop.model.instruments import InstrumentId

Columns = Mapping[str, npt.NDArray[Any]]
FILE = "recorded.parquet"
MADE_BARS, GAPS, MARKS = "made_bars", "gaps", "marks"
"""Folders of other facts: bars as the session made them, states of feeds and what they lost, marks of the venue."""
_EVENT_COLUMNS = (
    *("kind", "phase", "instance", "reason", "ts_event_ns", "ts_init_ns"),
    *("open", "high", "low", "price", "qty", "stop_price"),
)


def check_catalog(root: Path) -> None:
    """Make the folder; raises InputError if it holds a catalog already, or cannot be made."""
    check_room(root, False, ("trades",), ("quotes",), ("books",), ("funding",), (MADE_BARS,), (GAPS,), (MARKS,))


def write_ticks(root: Path, kind: str, instrument: InstrumentId, columns: Columns) -> None:
    """Write ``trades`` or ``quotes`` of an instrument, in order of ``ts_init_ns``; no file for no rows."""
    if len(columns["ts_init_ns"]):
        table = {name: pa.array(column) for name, column in columns.items()}
        write_table(root / kind / instrument.venue / instrument.stem / FILE, table)


def write_events(root: Path, kind: str, instrument: InstrumentId, rows: Rows) -> None:
    """Write other facts of an instrument (EVENT), in order of ``ts_init_ns``; no file for none."""
    if len(rows):
        table = {name: pa.array(np.ascontiguousarray(rows[name])) for name in _EVENT_COLUMNS}
        write_table(root / kind / instrument.venue / instrument.stem / FILE, table)


def read_events(root: Path, kind: str, instrument: InstrumentId) -> Rows:
    """Return the facts that ``write_events`` wrote."""
    path = root / kind / instrument.venue / instrument.stem / FILE
    if not path.exists():
        return np.zeros(0, EVENT)
    table = pq.read_table(path)
    rows = np.zeros(len(table), EVENT)
    for name in _EVENT_COLUMNS:
        rows[name] = table[name].to_numpy()
    return rows


def write_funding(root: Path, instrument: InstrumentId, columns: Columns) -> None:
    """Write the funding rates of an instrument, ``ts_ns`` as they were received; no file for no rows."""
    if len(columns["ts_ns"]):
        table = {"ts": stamps(columns["ts_ns"]), "rate": pa.array(columns["rate"])}
        write_table(root / "funding" / instrument.venue / f"{instrument.symbol}.parquet", table)


def write_origin(root: Path, text: str) -> None:
    """Write which session it is of; a catalog with that file is known as a recording."""
    (root / RECORDING_FILE).write_text(text, encoding="utf-8", newline="\n")


def write_rules(root: Path, text: str) -> None:
    """Write ``instruments.yaml``."""
    (root / RULES_FILE).write_text(text, encoding="utf-8", newline="\n")
