"""Writes what a session received as a catalog: a run on it with ``clock: receive`` sees it in the same order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from tightloop.adapters.data._shared import RECORDING_FILE, RULES_FILE, check_room, stamps, write_table
from tightloop.model.instruments import InstrumentId

Columns = Mapping[str, npt.NDArray[Any]]
FILE = "recorded.parquet"


def check_catalog(root: Path) -> None:
    """Make the folder; raises InputError if it holds a catalog already, or cannot be made."""
    check_room(root, False, ("trades",), ("quotes",), ("funding",))


def write_ticks(root: Path, kind: str, instrument: InstrumentId, columns: Columns) -> None:
    """Write ``trades`` or ``quotes`` of an instrument, in order of ``ts_init_ns``; no file for no rows."""
    if len(columns["ts_init_ns"]):
        table = {name: pa.array(column) for name, column in columns.items()}
        write_table(root / kind / instrument.venue / instrument.stem / FILE, table)


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
