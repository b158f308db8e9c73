"""tools/running.py: a command behind a line of progress, as a numbered step, and what is said when it fails."""

import sys
from types import SimpleNamespace

import pytest

import running


def test_a_failed_step_shows_its_last_lines_and_what_to_try():
    code = "for i in range(100): print('line', i)\nraise SystemExit(3)"
    with pytest.raises(running.Failure) as failure:
        running.must_run("counting", [sys.executable, "-c", code], "count less")
    text = str(failure.value)
    assert "counting: failed with exit code 3" in text
    assert "line 99" in text
    assert "line 9\n" not in text
    assert "What to try: count less" in text


def test_a_quiet_step_says_nothing_when_it_is_quick(capsys):
    assert running.run_quietly("quick", [sys.executable, "-c", "print('inside')"]) == (0, "inside\n")
    assert capsys.readouterr().out == ""


def test_a_long_step_says_its_name(capsys, monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = running.Progress("long")
    for _ in range(20):
        progress.tick()
    assert capsys.readouterr().out.splitlines() == ["long ...", "long ... 32 s"]


def test_children_do_not_inherit_another_python(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")
    monkeypatch.setenv("NUMBA_OPT", "1")
    environment = running.clean_environment(NUMBA_BOUNDSCHECK="1", NUMBA_OPT=None)
    assert "PYTHONPATH" not in environment
    assert "VIRTUAL_ENV" not in environment
    assert "NUMBA_OPT" not in environment
    assert environment["NUMBA_BOUNDSCHECK"] == "1"


def test_steps_say_what_they_are_how_many_there_are_and_how_long_each_took(capsys, monkeypatch):
    clock = iter([10.0, 13.25, 20.0, 20.5])
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    steps = running.Steps(2)
    for what in ("the first", "the second"):
        steps.end(steps.begin(what))
    assert capsys.readouterr().out.splitlines() == ["step 1 of 2: the first: 3.2 s", "step 2 of 2: the second: 0.5 s"]
    with pytest.raises(AssertionError, match="the third is a step that was not counted"):
        steps.begin("the third")


def test_a_command_behind_goes_on_alone(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(running.subprocess, "Popen", lambda command, **options: started.append((command, options)))
    running.run_behind(["compile", "all"])
    ((command, options),) = started
    assert command == ["compile", "all"]
    assert options["stdout"] == options["stderr"] == options["stdin"] == running.subprocess.DEVNULL
    assert options["start_new_session"]
