"""Strategies of a home: versions that are written once, ids that are no paths."""

import pytest
from tests.app.api.served import Served

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.strategies.files import StrategyFiles
from tightloop.model.files.alone import is_alone

GOOD = """name: crossing
family: signal
direction: LONG
instruments: ["binance:BTCUSDT-perp"]
"""


@pytest.fixture
def files(tmp_path):
    return StrategyFiles(tmp_path)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", ".gone", "a.b", "a" * 65, "ä", "a\n", "-a", "%2e"]
)
def test_what_is_no_id_is_no_file(files, tmp_path, name):
    (tmp_path / "1.yaml").write_text("secret: 1")
    for call in (files.newest, files.numbers, files.remove, lambda one: files.write(one, "x", 1)):
        with pytest.raises(HttpProblem) as raised:
            call(name)
        assert raised.value.code == "not_found"
    assert files.ids() == []


def test_a_version_is_written_once(files):
    files.write("one", "a", 1)
    with pytest.raises(HttpProblem) as raised:
        files.write("one", "b", 1)
    assert raised.value.code == "changed"
    assert files.newest("one").text == "a"


def test_a_text_is_kept_as_another_version_only_if_it_is_another(files):
    assert [files.keep("one", text).number for text in ("a", "a", "b", "b", "a")] == [1, 1, 2, 2, 3]
    assert files.numbers("one") == [1, 2, 3]


def test_versions_are_ordered_as_numbers(files):
    for number in range(1, 12):
        files.write("one", str(number), number)
    assert files.newest("one").text == "11"


def test_a_removed_strategy_is_gone_and_can_come_again(files, tmp_path):
    files.write("one", "a", 1)
    files.remove("one")
    assert files.ids() == []
    assert files.write("one", "b", 1).text == "b"
    assert [path.read_text() for path in (tmp_path / "strategies" / ".gone").glob("*/1.yaml")] == ["a"]


def test_a_file_that_needs_others_does_not_stand_alone():
    assert is_alone(GOOD)
    for text in ("extends: base.yaml\n", "code: x.py\n", "a: [1", "- 1\n", "", "just text"):
        assert not is_alone(text)


def test_over_http_versions_are_written_by_who_has_seen_the_last(tmp_path):
    with Served(tmp_path) as served:
        trader, viewer = served.browser("trader"), served.browser("viewer")
        bad = {"yaml": GOOD}
        found = trader.ask("PUT", "strategies/one", bad, headers={"If-Match": '"0"'})
        assert (found.status_code, found.json()["code"]) == (422, "refused")
        assert found.json()["errors"], "with what is missing"
        served.parts.strategies.write("one", GOOD, 1)
        assert viewer.get("strategies/one").headers["etag"] == '"1"'
        for seen in ("", '"0"', '"2"', "x"):
            assert trader.code("PUT", "strategies/one", bad, headers={"If-Match": seen}) == "changed"
        assert viewer.get("strategies/one/versions/1").json()["yaml"] == GOOD
        assert viewer.code("GET", "strategies/one/versions/2") == "not_found"
        row = viewer.get("strategies").json()[0]
        assert (row["id"], row["name"], row["family"], row["version"]) == ("one", "crossing", "signal", 1)
        assert trader.ask("DELETE", "strategies/one", headers={"If-Match": '"1"'}).status_code == 200
        assert viewer.get("strategies").json() == []
