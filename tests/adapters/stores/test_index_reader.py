"""The primary key serves an order by keys: a table of a year is not sorted for a page."""

import sqlite3

import pytest
from tests.app.api.served import SESSION, write_rows

from tightloop.adapters.stores.index_reader import IndexQuery, IndexReader
from tightloop.ports.read_model import SESSION as COLUMN
from tightloop.ports.read_model import TABLES


@pytest.mark.parametrize("table", [name for name, shape in TABLES.items() if shape.keys[:1] == ("seq",)])
@pytest.mark.parametrize("after", [None, (7, SESSION)])
def test_the_newest_rows_of_a_session_are_found_without_sorting(tmp_path, monkeypatch, table, after):
    values = dict.fromkeys(TABLES[table].keys, 0)
    for seq in range(1, 10):
        write_rows(tmp_path, (table, values), seq=seq)
    asked = []
    ask = IndexReader._ask
    monkeypatch.setattr(IndexReader, "_ask", lambda self, *said: asked.append(said) or ask(self, *said))
    reader = IndexReader(tmp_path)
    wanted = IndexQuery(where={COLUMN: SESSION}, order=("seq", COLUMN), after=after, limit=3)
    found = [row["seq"] for row in reader.rows(table, wanted)]
    reader.close()
    link = sqlite3.connect(tmp_path / "index.db")
    plan = " ".join(str(row[3]) for row in link.execute(f"EXPLAIN QUERY PLAN {asked[0][0]}", asked[0][1]))
    link.close()
    assert "B-TREE" not in plan
    assert "INDEX" in plan
    assert found
