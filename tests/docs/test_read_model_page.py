"""The page of the read model names every table, key and column that there is."""

import re
from pathlib import Path

from tightloop.ports.read_model import FORMAT, TABLES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "live" / "read-model.md").read_text(encoding="utf-8")


def test_the_page_has_the_tables_with_their_keys_and_columns():
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ((?:INTEGER|REAL|TEXT) [^|]+) \|$", PAGE, re.MULTILINE)
    found = {}
    for table, keys, columns in rows:
        kinds = re.findall(r"(INTEGER|REAL|TEXT) `([^`]+)`", columns)
        found[table] = (keys, {name: kind for kind, names in kinds for name in names.split()})
    wanted = {table: (" ".join(shape.keys) or "(one row)", dict(shape.columns)) for table, shape in TABLES.items()}
    assert found == wanted


def test_the_page_is_of_the_format_that_is_written():
    assert f"Format {FORMAT}." in PAGE
