"""Reads CSV (plain, .gz, .zip) and Parquet files into text or typed columns that know their line numbers."""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tightloop.adapters.data._shared import is_number
from tightloop.model.errors import InputError

BYTES_MAX = 4_000_000_000
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one file, in file order.

    ``named``: whether it has a header. ``raw``, ``skipped``: bytes of a CSV, and its lines before the first row.
    """

    file: Path
    columns: dict[str, pa.ChunkedArray]
    named: bool
    raw: bytes = b""
    skipped: int = 0

    @property
    def count(self) -> int:
        """Number of rows, without the header."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def line_of(self, row: int) -> int | None:
        """Return the line (from 1) of a row (from 0) of a CSV; None for Parquet."""
        if not self.raw:
            return None
        seen = -1
        for number, line in enumerate(io.BytesIO(self.raw), start=1):
            if number > self.skipped and line.strip():
                seen += 1
                if seen == row:
                    return number
        return None


def read_rows(file: Path) -> Rows:
    """Read one file. Raises InputError with file and line if it is unreadable or rows differ in length."""
    if not file.is_file():
        raise InputError.one(file, None, "", "there is no such file", "check the path")
    if file.suffix.lower() in (".parquet", ".pq"):
        return _parquet(file)
    raw = _unpacked(file)
    if not raw.strip():
        raise InputError.one(file, None, "", "holds no rows", "name a file with data")
    return _csv(file, raw)


def _parquet(file: Path) -> Rows:
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        message = f"is not a Parquet file that can be read: {str(error).splitlines()[0]}"
        raise InputError.one(file, None, "", message, "write it again from its source") from None
    columns = {str(name): _plain(table.column(index)) for index, name in enumerate(table.column_names)}
    if not table.num_rows or not columns:
        raise InputError.one(file, None, "", "holds no rows", "name a file with data")
    return Rows(file, columns, named=True)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode a dictionary-encoded column."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _unpacked(file: Path) -> bytes:
    try:
        if file.suffix.lower() == ".zip":
            return _first_of_zip(file)
        raw = file.read_bytes()
        return gzip.decompress(raw) if file.suffix.lower() == ".gz" else raw
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        message = f"cannot be unpacked or read: {error}"
        raise InputError.one(file, None, "", message, "fetch the file again") from None


def _first_of_zip(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if member.filename.lower().endswith((".csv", ".txt"))]
        if len(members) != 1:
            message = f"holds {len(members)} CSV files"
            raise InputError.one(file, None, "", message, "unpack it and name the files you mean")
        if members[0].file_size > BYTES_MAX:
            raise InputError.one(file, None, "", f"unpacks to more than {BYTES_MAX} bytes", "split the file")
        return archive.read(members[0])


def _csv(file: Path, raw: bytes) -> Rows:
    try:
        lines = raw[:65_536].decode("utf-8-sig", errors="strict" if len(raw) <= 65_536 else "ignore").splitlines()
    except UnicodeDecodeError:
        raise InputError.one(file, None, "", "is not UTF-8 text", "save the file as CSV in UTF-8") from None
    comments = 0
    while comments < len(lines) and (not lines[comments].strip() or lines[comments].lstrip().startswith("#")):
        comments += 1
    if comments == len(lines):
        raise InputError.one(file, None, "", "holds no rows", "name a file with data")
    first = lines[comments]
    delimiter = max(DELIMITERS, key=first.count)
    cells = next(iter(_split(first, delimiter)))
    named = not any(is_number(cell) for cell in cells)
    names = [cell.strip() for cell in cells] if named else [f"column {index + 1}" for index in range(len(cells))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.one(
            file, comments + 1, twice[0], "two columns have this name", "give each column its own name"
        )
    skipped = comments + named
    return Rows(file, _columns(file, raw, names, skipped, delimiter), named, raw, skipped)


def _split(line: str, delimiter: str) -> list[list[str]]:

    return list(csv.reader([line], delimiter=delimiter))


def _columns(file: Path, raw: bytes, names: Sequence[str], skipped: int, delimiter: str) -> dict[str, pa.ChunkedArray]:
    wrong: list[tuple[int, int]] = []

    def refused(row: pcsv.InvalidRow) -> str:
        wrong.append((row.number or 0, row.actual_columns))
        return "skip"

    try:
        table = pcsv.read_csv(
            io.BytesIO(raw),
            read_options=pcsv.ReadOptions(use_threads=False, skip_rows=skipped, column_names=list(names)),
            parse_options=pcsv.ParseOptions(delimiter=delimiter, invalid_row_handler=refused),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        message = f"is not a CSV that can be read: {str(error).splitlines()[0]}"
        raise InputError.one(file, None, "", message, "save it as CSV in UTF-8 with one row per line") from None
    if wrong:
        number, cells = wrong[0]
        message = f"the row has {cells} columns, the rows before it have {len(names)}"
        raise InputError.one(file, number, "", message, "repair or remove that row")
    if not table.num_rows:
        raise InputError.one(file, skipped, "", "holds no rows below its header", "name a file with data")
    return {name: table.column(index) for index, name in enumerate(names)}
