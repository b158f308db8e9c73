"""Requests for starts: a key is for one body, and what is old goes."""

import asyncio
import os
import time

import pytest
from tests.app.api.test_children import START

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.api import starts
from tightloop.app.api.answers.problems import HttpProblem


@pytest.fixture
def home(tmp_path):
    found = Home(tmp_path)
    found.make()
    return found


@pytest.fixture
def _supervisor(home):
    lease = home.take(starts.SUPERVISOR)
    assert isinstance(lease, Lease)
    lease.write("", 0)
    yield
    lease.close()


def _asked(home, body):
    return asyncio.run(starts.asked(home, "one", START, body))


@pytest.mark.usefixtures("_supervisor")
def test_a_key_is_for_one_body_also_when_the_first_answer_was_not_known(home, monkeypatch):
    monkeypatch.setattr(starts, "WAIT_S", 0.0)
    with pytest.raises(HttpProblem) as raised:
        _asked(home, "a")
    assert raised.value.code == "outcome_unknown"
    monkeypatch.setattr(starts, "WAIT_S", 30.0)
    for is_answered in (False, True):
        if is_answered:
            starts.answered(home.root, "one", {"session": "paper-1"})
        with pytest.raises(HttpProblem) as raised:
            _asked(home, "b")
        assert raised.value.code == "idempotency_conflict"
    assert _asked(home, "a") == {"session": "paper-1"}


def test_what_was_never_asked_binds_no_key(home):
    for body in ("a", "b"):
        with pytest.raises(HttpProblem) as raised:
            _asked(home, body)
        assert raised.value.code == "no_supervisor"


@pytest.mark.parametrize("answer", [{"session": "paper-1"}, {"error": "x"}, None])
@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("running", [{"paper-1": 1}, {}])
def test_what_is_old_goes_unless_its_session_runs(home, answer, is_old, running):
    folder = starts.folder_of(home.root)
    (folder / "one").mkdir()
    (folder / "one" / "start.log").write_text("words")
    (folder / f"one{starts.BODY}").write_text("digest")
    if answer is not None:
        starts.answered(home.root, "one", answer)
    then_s = time.time() - starts.KEEP_S - 60.0
    if is_old:
        for file in folder.iterdir():
            os.utime(file, (then_s, then_s))
    starts.clear_old(home.root, running)
    is_kept = not is_old or (answer is not None and answer.get("session") in running)
    assert bool(list(folder.iterdir())) == is_kept
