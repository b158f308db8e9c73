"""Lists of rows: forms of numbers, filters, pages without a hole, CSV, ids; asked of every list there is."""

import csv
import io

import pytest
from tests.app.api.served import SESSION, Served, write_rows

from tightloop.app.api.answers import paging
from tightloop.core.domain.enums import OrderState
from tightloop.ports.read_model import TABLES

ENDED = {OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED}

LISTS = {
    "orders": ("orders", "submitted_ts"), "fills": ("fills", "ts"), "positions": ("positions", "opened_ts"),
    "signals": ("signals", "ts"), "denials": ("denials", "ts"), "risk/events": ("risk_events", "ts"),
    "signals/near-misses": ("closest", "since_ts"),
}  # fmt: skip
OTHER = "paper-other00000"


def row_of(table, number, ts_name):
    """Return a row with a value in every column."""
    shape = TABLES[table]
    found = {}
    for column, kind in shape.columns.items():
        found[column] = {"INTEGER": number, "REAL": 0.1 * number, "TEXT": f"t{number}"}[kind]
    found |= {"reduce_only": number % 2} if "reduce_only" in found else {}
    found |= {"details": '{"a": 1}'} if "details" in found else {}
    return found | {ts_name: 1_700_000_000_000_000_000 + number // 3}  # several at one time


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    for session in (SESSION, OTHER):
        rows = [(table, row_of(table, number, ts)) for table, ts in LISTS.values() for number in range(1, 26)]
        write_rows(home, *rows, session=session)
    with Served(home) as found:
        yield found


@pytest.fixture(scope="module")
def viewer(served):
    return served.browser("viewer")


def pages(viewer, path, limit, query=""):
    seen, cursor = [], ""
    while True:
        found = viewer.get(f"{path}?limit={limit}{query}{cursor}")
        assert found.status_code == 200, found.text
        seen += found.json()["items"]
        if found.json()["next"] is None:
            return seen
        assert len(found.json()["items"]) == limit
        cursor = f"&cursor={found.json()['next']}"


@pytest.mark.parametrize("path", LISTS)
def test_pages_have_every_row_once_the_newest_first(viewer, path):
    for limit in (7, 50, 200):
        rows = pages(viewer, path, limit)
        ids = [row["id"] for row in rows]
        assert len(ids) == len(set(ids)) == 50
        times = [int(row[LISTS[path][1]]) for row in rows]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("path", LISTS)
def test_a_session_is_filtered(viewer, path):
    rows = pages(viewer, path, 10, f"&session={OTHER}")
    assert {row["session_id"] for row in rows} == {OTHER}
    assert len(rows) == 25


@pytest.mark.parametrize("path", LISTS)
def test_money_is_a_decimal_text_and_times_are_texts_of_nanoseconds(viewer, path):
    table, _ = LISTS[path]
    row = viewer.get(f"{path}?limit=1").json()["items"][0]
    for column, kind in TABLES[table].columns.items():
        value = row[column]
        if kind == "REAL":
            assert isinstance(value, str)
            assert "e" not in value.lower()
        elif column == "ts" or column.endswith("_ts"):
            assert isinstance(value, str)
            assert int(value) > 0
        elif column == "reduce_only":
            assert isinstance(value, bool)
        elif kind == "INTEGER":
            assert isinstance(value, int)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=W10", "cursor=" + "a" * 600, "cursor=%00"]
)
def test_a_page_that_is_none_is_refused(viewer, path, query):
    found = viewer.get(f"{path}?{query}")
    assert (found.status_code, found.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("path", LISTS)
def test_all_rows_are_given_as_csv(viewer, path):
    found = viewer.get(f"{path}?session={SESSION}", headers={"Accept": "text/csv"})
    assert found.headers["content-type"].startswith("text/csv")
    assert found.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert len(rows) == 25
    assert [row["id"] for row in rows] == [row["id"] for row in pages(viewer, path, 200, f"&session={SESSION}")]


def test_a_text_that_a_table_program_would_run_is_no_formula(tmp_path):
    write_rows(tmp_path, ("orders", {"order_id": "1-1", "submitted_ts": 1, "venue_text": "=HYPERLINK(1)"}))
    with Served(tmp_path) as served:
        found = served.browser("viewer").get("orders", headers={"Accept": "text/csv"})
    assert next(csv.DictReader(io.StringIO(found.text)))["venue_text"] == "'=HYPERLINK(1)"


def test_what_is_not_known_is_null_and_never_nothing_or_zero(tmp_path):
    write_rows(tmp_path, ("orders", {"order_id": "1-1"}), ("positions", {"trade_id": -1}))
    with Served(tmp_path) as served:
        viewer = served.browser("viewer")
        row = viewer.get("orders").json()["items"][0]
        assert set(row) == {"id", "session_id", *TABLES["orders"].columns}
        assert {name for name, value in row.items() if value is not None} == {"id", "session_id", "seq", "order_id"}
        assert viewer.get("positions").json()["items"][0]["id"] == f"{SESSION}.-1"


def test_a_home_without_a_read_model_has_empty_lists(tmp_path):
    with Served(tmp_path) as served:
        viewer = served.browser("viewer")
        assert all(viewer.get(path).json() == {"items": [], "next": None} for path in LISTS)
        assert viewer.code("GET", f"signals/{SESSION}.1.0") == "not_found"
        index = next(one for one in viewer.get("system/components").json()["items"] if one["name"] == "index.db")
        assert index["state"] == "down"


def test_a_damaged_read_model_is_no_fault_of_the_gateway(tmp_path):
    (tmp_path / "index.db").write_bytes(b"no database " * 500)
    with Served(tmp_path) as served:
        assert served.browser("viewer").get("orders").json() == {"items": [], "next": None}


def test_why_gives_every_condition_of_a_signal_in_its_place(tmp_path):
    conditions = [("conditions", {"n": 0, "place": place, "value": place, "verdict": "TRUE"}) for place in (1, 0, 2)]
    other = ("conditions", {"n": 1, "place": 0, "verdict": "FALSE"})
    write_rows(tmp_path, ("signals", {"n": 0, "ts": 1, "section": "S1"}), *conditions, other)
    with Served(tmp_path) as served:
        found = served.browser("viewer").get(f"signals/{SESSION}.1.0").json()
    assert found["signal"]["section"] == "S1"
    assert [row["value"] for row in found["conditions"]] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "row_id", ["x", f"{SESSION}.1", f"{SESSION}.a.0", f"{SESSION}.99999999999999999999.0", "%00.1.1", "a.²³.1"]
)
def test_an_id_that_is_none_is_not_found(viewer, row_id):
    assert viewer.get(f"signals/{row_id}").status_code == 404


def test_a_warning_is_acknowledged_once_and_survives_a_read_model_made_anew(served, viewer):
    trader, operator = served.browser("trader"), served.browser("operator")
    event = viewer.get("risk/events?limit=1").json()["items"][0]
    assert event["acknowledged_by"] is None
    assert event["details"] == {"a": 1}
    for browser in (trader, operator):
        assert browser.ask("POST", f"risk/events/{event['id']}/ack").status_code == 200
    assert viewer.get("risk/events?limit=1").json()["items"][0]["acknowledged_by"] == "trader"
    assert trader.code("POST", f"risk/events/{SESSION}.9999.0/ack") == "not_found"


def test_open_orders_are_those_that_may_still_fill(tmp_path):
    rows = [("orders", {"order_id": f"{one}-1", "submitted_ts": 1, "state": one.name}) for one in OrderState]
    write_rows(tmp_path, *rows)
    with Served(tmp_path) as served:
        viewer = served.browser("viewer")
        found = {row["state"] for row in viewer.get("orders?state=open").json()["items"]}
        assert found == {one.name for one in OrderState if one not in ENDED}
        assert [row["state"] for row in viewer.get("orders?state=unknown").json()["items"]] == ["IN_FLIGHT"]


def test_a_caller_is_given_one_csv_at_a_time_and_others_go_first(served, viewer, monkeypatch):
    accept = {"Accept": "text/csv"}
    other = served.browser("trader")
    codes, order, tasks = [], [], []
    rows = type(served.parts.reader).rows

    def watched(reader, table, wanted):
        if table == "fills":
            order.append("page")
            if len(order) == 1:
                tasks.append(served.loop.create_task(ask_meanwhile()))
        return rows(reader, table, wanted)

    async def ask_meanwhile():
        order.append("another")
        for browser in (viewer, other):
            found = await browser._client.get("/api/v1/orders", headers=accept)
            codes.append(found.status_code)

    monkeypatch.setattr(type(served.parts.reader), "rows", watched)
    monkeypatch.setattr(paging, "LIMIT_MAX", 2)
    assert len(viewer.get("fills", headers=accept).text.splitlines()) == 51
    assert order[:2] == ["page", "another"]
    assert order.count("page") == 25
    served.run(tasks[0])
    assert codes == [429, 200]
    assert viewer.get("orders", headers=accept).status_code == 200
