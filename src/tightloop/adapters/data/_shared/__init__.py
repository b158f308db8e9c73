"""What the files of this folder share: datasets, reading, writing, and the faults that data can have."""

from tightloop.adapters.data._shared.datasets import KIND_DEPTHS, RULES_FILE, Dataset, discover, nearest
from tightloop.adapters.data._shared.judge import PRICE_COLUMNS, Judged, judge_bars, read_bars, schema_report
from tightloop.adapters.data._shared.parquet import Source
from tightloop.adapters.data._shared.report import FAULT_KINDS, DatasetReport, Fault, Verdict, gate, iso
from tightloop.adapters.data._shared.series import is_table, judge_series, judge_table, required_columns
from tightloop.adapters.data._shared.streams import Stream, exp_6, to_digits, wave
from tightloop.adapters.data._shared.tick_parts import TickReader, read_ticks
from tightloop.adapters.data._shared.ticks import judge_ticks
from tightloop.adapters.data._shared.times import commonest_step_ns
from tightloop.adapters.data._shared.writing import check_room, is_synthetic, stamps, write_table

__all__ = [
    "FAULT_KINDS",
    "KIND_DEPTHS",
    "PRICE_COLUMNS",
    "RULES_FILE",
    "Dataset",
    "DatasetReport",
    "Fault",
    "Judged",
    "Source",
    "Stream",
    "TickReader",
    "Verdict",
    "check_room",
    "commonest_step_ns",
    "discover",
    "exp_6",
    "gate",
    "is_synthetic",
    "is_table",
    "iso",
    "judge_bars",
    "judge_series",
    "judge_table",
    "judge_ticks",
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
