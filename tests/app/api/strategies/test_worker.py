"""What judges strategy files: all faults with lines; and files that are made to break their reader."""

import json
import sys
from pathlib import Path

import pytest
from tests.app.api.served import Served

from tightloop.app.api.strategies.worker import verdict
from tightloop.core.families import families_found, is_outside
from tightloop.model import load
from tightloop.model.errors import InputError
from tightloop.model.files import alone

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
    "half a character": "name: \ud800\n",
    "a million characters": "a" * 1_000_000,
    "carry by set": "name: abc\nfamily: signal\nset: {family: carry}\n",
    "another set by set": "name: abc\nfamily: signal\nset: {set.family: python, set.module: 'this:X'}\n",
    "a family twice": "name: abc\nfamily: signal\n'family': python\nmodule: 'this:X'\n",
    "a family with a tag": "name: abc\nfamily: !!str python\nmodule: 'this:X'\n",
    "a list of families": "name: abc\nfamily: [python]\nmodule: 'this:X'\n",
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


CANARY = """import pathlib
pathlib.Path(__file__).with_suffix(".ran").write_text("")
chirping = chirping
"""
NAMING = {
    "module": "family: python\nmodule: 'MODULE:X'\n",
    "class": "family: python\nclass: 'PATH:X'\n",
    "module by set": "family: signal\nset: {family: python, module: 'MODULE:X'}\n",
    "class by set": "family: signal\nset: {family: python, class: 'PATH:X'}\n",
    "class by set over hold": "family: hold\nset: {family: python, class: 'PATH:X'}\n",
    "class by set in JSON": '"family": "signal"\n"set": {"family": "python", "class": "PATH:X"}\n',
    "class by set, family set last": "family: signal\nclass: 'PATH:X'\nset: {family: python}\n",
    "class by set without a family": "set: {family: python, class: 'PATH:X'}\n",
    "flows": "family: carry\nflows: PATH\n",
    "flows of legs": "legs: {}\nflows: PATH\n",
    "flows by set": "family: carry\nset: {flows: PATH}\n",
    "carry and flows by set": "family: signal\nset: {family: carry, flows: PATH}\n",
    "a signal of a leg": "family: carry\nlegs: {a: {signal: {path: PATH}}}\n",
    "a signal of a leg by set": "family: carry\nlegs: {a: {}}\nset: {legs.a.signal.path: PATH}\n",
    "extends": "extends: PATH\n",
    "extends by set": "family: signal\nset: {extends: PATH}\n",
    "extends of carry": "family: carry\nextends: [PATH]\n",
}


@pytest.fixture
def canary(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "canary.py").write_text(CANARY)
    return tmp_path / "canary.py"


def _naming(text, canary):
    rest = "name: abc\ndirection: LONG\ninstruments: ['binance:BTCUSDT-perp']\ntimeframe: 1m\n"
    return rest + text.replace("PATH", str(canary)).replace("MODULE", "canary")


@pytest.mark.parametrize("text", NAMING.values(), ids=NAMING)
def test_what_a_text_names_is_neither_read_nor_run(text, canary):
    said = json.dumps(found := verdict(_naming(text, canary)))
    assert not found["is_valid"]
    assert "chirping" not in said
    assert "canary" not in sys.modules
    assert not canary.with_suffix(".ran").exists()
    assert all("terminal" in one["remedy"] for one in found["errors"]), "before it is read"


def test_the_reader_alone_runs_no_code_either(canary, monkeypatch):
    monkeypatch.setattr(alone, "check", lambda *_: None)
    for name in ("module", "class", "module by set", "class by set"):
        with pytest.raises(InputError, match="is code, which is not read here"):
            load.loads_alone(_naming(NAMING[name], canary))
    assert not canary.with_suffix(".ran").exists()


def test_the_families_of_texts_are_all_that_need_nothing_else():
    rest = {name for name in families_found() if name != "carry" and not is_outside(name)}
    assert rest == set(alone.FAMILIES)


def test_over_http_what_a_text_names_is_neither_read_nor_run(tmp_path, canary):
    with Served(tmp_path / "home") as served:
        viewer, trader = served.browser("viewer"), served.browser("trader")
        for text in NAMING.values():
            body = {"yaml": _naming(text, canary)}
            found = viewer.ask("POST", "strategies/validate", body)
            assert (found.status_code, found.json()["is_valid"]) == (200, False)
            written = trader.ask("PUT", "strategies/one", body, headers={"If-Match": '"0"'})
            assert (written.status_code, written.json()["code"]) == (422, "refused")
            assert "chirping" not in found.text + written.text
        assert served.parts.strategies.ids() == []
    assert not canary.with_suffix(".ran").exists()


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
