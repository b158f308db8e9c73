"""What judges strategy files: all faults with lines; and files that are made to break their reader."""

from pathlib import Path

import pytest
from tests.app.api.served import Served

from tightloop.app.api.strategies.worker import verdict

STRATEGIES = Path(__file__).resolve().parents[4] / "strategies"
BOMB = "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n"
DEEP = "a: " + "[" * 500 + "]" * 500
REFUSED = {
    "aliases": BOMB,
    "deep nesting": DEEP,
    "no YAML": "a: [1",
    "another document": "a: 1\n---\nb: 2\n",
    "a tag that makes objects": "a: !!python/object/apply:os.system [ls]\n",
    "another file": "extends: ../../etc/passwd\nname: x\n",
    "code": "name: x\nfamily: python\nclass: x.py:X\n",
    "a list": "- 1\n",
    "nothing": "",
    "a path": "/etc/passwd",
    "a path of a strategy": str(STRATEGIES / "ema_cross.yaml"),
    "control characters": "a: \x00",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_none_is_refused_with_a_reason(text):
    found = verdict(text)
    assert not found["is_valid"]
    assert all(one["detail"] for one in found["errors"])
    assert found["config_hash"] is None


@pytest.mark.parametrize("name", ["ema_cross", "donchian_breakout", "live/first_paper"])
def test_a_strategy_of_the_repository_is_right(name):
    found = verdict((STRATEGIES / f"{name}.yaml").read_text())
    assert found["is_valid"], found
    assert found["name"] == name.rpartition("/")[2]
    assert found["instruments"]


def test_all_faults_are_told_at_once_with_their_lines():
    text = (STRATEGIES / "ema_cross.yaml").read_text()
    broken = text.replace("direction: LONG", "direction: UP").replace("family: signal", "family: signal\nbogus: 1")
    assert broken.count("\n") == text.count("\n") + 1
    found = verdict(broken)
    lines = {one["line"] for one in found["errors"]}
    assert {broken[: broken.index("bogus")].count("\n") + 1} <= lines
    assert all(one["remedy"] for one in found["errors"])


def test_over_http_it_is_a_process_of_its_own_that_is_begun_again(tmp_path):
    with Served(tmp_path) as served:
        viewer = served.browser("viewer")
        good = (STRATEGIES / "ema_cross.yaml").read_text()
        assert viewer.ask("POST", "strategies/validate", {"yaml": good}).json()["is_valid"]
        served.parts.checks._worker.kill()
        served.run(served.parts.checks._worker.wait())
        found = viewer.ask("POST", "strategies/validate", {"yaml": BOMB}).json()
        assert not found["is_valid"]
        assert served.parts.strategies.ids() == [], "nothing is kept"
