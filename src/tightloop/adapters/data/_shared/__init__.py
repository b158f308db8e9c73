"""Shared by the data adapters: datasets, Parquet reading and writing, the quality gate, random numbers."""

from tightloop.adapters.data._shared.datasets import (
    KIND_DEPTHS,
    RECORDING_FILE,
    RULES_FILE,
    Dataset,
    discover,
    nearest,
)
from tightloop.adapters.data._shared.faults.bars import PRICE_COLUMNS, Judged, judge_bars, read_bars, schema_report
from tightloop.adapters.data._shared.faults.grid import grid_faults, grid_of
from tightloop.adapters.data._shared.faults.report import FAULT_KINDS, DatasetReport, Fault, Verdict, gate, length
from tightloop.adapters.data._shared.faults.series import is_table, judge_series, judge_table, required_columns
from tightloop.adapters.data._shared.faults.ticks import judge_ticks
from tightloop.adapters.data._shared.faults.times import commonest_step_ns
from tightloop.adapters.data._shared.moments import Refuse, is_number, moments
from tightloop.adapters.data._shared.parquet import Source, is_text
from tightloop.adapters.data._shared.streams import Stream, exp_6, to_digits, wave
from tightloop.adapters.data._shared.tick_parts import TickReader, read_ticks
from tightloop.adapters.data._shared.writing import check_room, has_aggregate_ids, is_synthetic, stamps, write_table

__all__ = [
    "FAULT_KINDS",
    "KIND_DEPTHS",
    "PRICE_COLUMNS",
    "RECORDING_FILE",
    "RULES_FILE",
    "Dataset",
    "DatasetReport",
    "Fault",
    "Judged",
    "Refuse",
    "Source",
    "Stream",
    "TickReader",
    "Verdict",
    "check_room",
    "commonest_step_ns",
    "discover",
    "exp_6",
    "gate",
    "grid_faults",
    "grid_of",
    "has_aggregate_ids",
    "is_number",
    "is_synthetic",
    "is_table",
    "is_text",
    "judge_bars",
    "judge_series",
    "judge_table",
    "judge_ticks",
    "length",
    "moments",
    "nearest",
    "read_bars",
    "read_ticks",
    "required_columns",
    "schema_report",
    "stamps",
    "to_digits",
    "wave",
    "write_table",
]
