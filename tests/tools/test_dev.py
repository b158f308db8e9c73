"""dev.py: what it does when all is well, when nothing is to be done, and when a step fails."""

import sys
from pathlib import Path
from types import SimpleNamespace

import dev
import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with pins and a definition, and a record of the steps that would run."""
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "requirements.lock").write_text("pinned==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "src").mkdir()
    steps = []

    def run_quietly(name, command, environment=None):
        steps.append(name)
        if name.startswith("making"):
            python = Path(environment_of(tmp_path).python)
            python.parent.mkdir(parents=True)
            python.touch()
        return 0, ""

    monkeypatch.setattr(dev, "run_quietly", run_quietly)
    return tmp_path, steps


def environment_of(folder, version="3.12.1"):
    return dev.Environment(folder / ".venv", sys.executable, version)


def steps_of_second_set_up(project, environment=None):
    folder, steps = project
    steps.clear()
    dev.set_up(environment or environment_of(folder))
    return [step.split(" with ")[0] for step in steps]


WHOLE = ["making .venv", "installing packages", "installing tightloop", "compiling packages to byte code"]


def test_the_first_set_up_makes_everything_and_the_second_nothing(project):
    assert steps_of_second_set_up(project) == WHOLE
    assert steps_of_second_set_up(project) == []


def test_new_pins_make_the_environment_anew(project):
    dev.set_up(environment_of(project[0]))
    (project[0] / ".venv" / "leftover").touch()
    (project[0] / "requirements.lock").write_text("pinned==2\n")
    assert steps_of_second_set_up(project) == WHOLE
    assert not (project[0] / ".venv" / "leftover").exists()


def test_a_changed_definition_installs_only_the_package(project):
    dev.set_up(environment_of(project[0]))
    (project[0] / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert steps_of_second_set_up(project) == WHOLE[2:]


def test_another_python_or_a_broken_environment_is_replaced(project):
    dev.set_up(environment_of(project[0]))
    assert steps_of_second_set_up(project, environment_of(project[0], "3.13.0")) == WHOLE
    Path(environment_of(project[0]).python).unlink()
    assert steps_of_second_set_up(project, environment_of(project[0], "3.13.0")) == WHOLE


def test_a_set_up_that_was_interrupted_is_done_again(project, monkeypatch):
    def interrupted(name, command, remedy, environment=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "must_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up(environment_of(project[0]))
    assert steps_of_second_set_up(project) == WHOLE


def test_a_failed_step_shows_its_last_lines_and_what_to_try():
    code = "for i in range(100): print('line', i)\nraise SystemExit(3)"
    with pytest.raises(dev.Failure) as failure:
        dev.must_run("counting", [sys.executable, "-c", code], "count less")
    text = str(failure.value)
    assert "counting: failed with exit code 3" in text
    assert "line 99" in text
    assert "line 9\n" not in text
    assert "What to try: count less" in text


def test_a_quiet_step_says_nothing_when_it_is_quick(capsys):
    assert dev.run_quietly("quick", [sys.executable, "-c", "print('inside')"]) == (0, "inside\n")
    assert capsys.readouterr().out == ""


def test_a_long_step_says_its_name(capsys, monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(dev, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = dev.Progress("long")
    for _ in range(20):
        progress.tick()
    assert capsys.readouterr().out.splitlines() == ["long ...", "long ... 32 s"]


@pytest.mark.parametrize("arguments", [["nonsense"], ["--python", "2.7", "setup"]])
def test_bad_input_ends_with_2(arguments, capsys):
    assert dev.main(arguments) == 2
    assert "dev.py: " in capsys.readouterr().err


def test_arguments_where_none_belong_end_with_2(monkeypatch, capsys):
    monkeypatch.setattr(dev, "set_up", lambda environment: None)
    assert dev.main(["lint", "more"]) == 2
    assert "lint takes no arguments, not more" in capsys.readouterr().err


def test_a_missing_runner_is_named(project, monkeypatch, capsys):
    monkeypatch.setattr(dev, "set_up", lambda environment: None)
    assert dev.main(["bench"]) == 2
    assert "benches/run.py" in capsys.readouterr().err


def test_the_running_python_is_found_by_its_version():
    assert dev.probe([sys.executable]) is not None
    assert dev.probe([sys.executable + "-that-is-not-there"]) is None
    with pytest.raises(dev.Failure, match=r"Python 9\.9 is not installed here"):
        dev.find_python("9.9")


def test_lint_names_what_failed_and_shows_its_output(monkeypatch, capsys):
    answers = {"mypy": (1, "wrong type\n")}
    monkeypatch.setattr(dev, "run_quietly", lambda name, command: answers.get(name, (0, "noise")))
    assert dev.lint(environment_of(Path("/nowhere"))) == ["mypy"]
    assert capsys.readouterr().out == "mypy: failed\nwrong type\n\n"


def test_children_do_not_inherit_another_python(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")
    environment = dev.clean_environment(NUMBA_BOUNDSCHECK="1")
    assert "PYTHONPATH" not in environment
    assert "VIRTUAL_ENV" not in environment
    assert environment["NUMBA_BOUNDSCHECK"] == "1"


@pytest.fixture
def demo(project, monkeypatch):
    """Run the demo with a command line that works; gives the backtests it asked for and the steps it took."""
    folder, steps = project
    asked = []

    def make_sample(name, command, remedy):
        steps.append(name)
        assert command[1:4] == ["data", "sample", "--out"]
        (folder / command[4]).mkdir()

    def run_openly(command):
        asked.append(command[1:])
        return 0

    monkeypatch.setattr(dev, "must_run", make_sample)
    monkeypatch.setattr(dev, "run_openly", run_openly)
    monkeypatch.setattr(dev, "SHARED_DATA", folder / "shared")

    def run():
        steps.clear()
        asked.clear()
        return dev.command_demo(environment_of(folder), []), list(asked), list(steps)

    return run


def test_the_demo_makes_its_market_once_and_leaves_it_to_the_run_to_say_where_the_report_is(demo, project, capsys):
    code, asked, steps = demo()
    assert (code, steps) == (0, ["making a sample market"])
    sample = str(Path(".data") / "sample")
    assert asked == [["backtest", "strategies/pump_1m.yaml", "--data", sample, "--out", "runs/demo"]]
    assert capsys.readouterr().out.strip() == ""
    assert demo()[2] == []


def test_the_demo_runs_on_real_data_where_there_is_some(demo, project):
    (project[0] / "shared").mkdir()
    _, asked, _ = demo()
    assert [command[1] for command in asked] == ["strategies/pump_1m.yaml", "strategies/ema_cross.yaml"]
    assert asked[1][2:4] == ["--instrument", "ftx:BTCUSD-perp"]


def test_a_demo_that_fails_says_so_with_its_exit_code(demo, monkeypatch):
    monkeypatch.setattr(dev, "run_openly", lambda command: 2)
    assert demo()[0] == 1


def test_the_core_is_compiled_in_two_halves_side_by_side(monkeypatch):
    started = []

    class Process:
        def __init__(self, command, **options):
            started.append((command[-1], options["env"]))

        def wait(self):
            assert len(started) == 2, "both halves run before one is waited for"

    monkeypatch.setattr(dev.subprocess, "Popen", Process)
    dev.warm_up(environment_of(Path("nowhere")), NUMBA_BOUNDSCHECK="1")
    assert [code for code, _ in started] == [dev.CORE_HALF, dev.INDICATORS_HALF]
    assert all(environment["NUMBA_BOUNDSCHECK"] == "1" for _, environment in started)


@pytest.mark.parametrize(
    ("mypy", "tests", "bounds", "closing"),
    [
        (0, 0, 0, "All is well: lint, the tests above, 7 of the core again with bounds checks"),
        (1, 0, 0, "Failed: mypy ("),
        (1, 1, 1, "Failed: mypy, pytest, pytest with bounds checks ("),
    ],
)
def test_every_failure_is_shown_and_one_line_closes(project, monkeypatch, capsys, mypy, tests, bounds, closing):
    (project[0] / "tests" / "core").mkdir(parents=True)
    (project[0] / "tests" / "core" / "test_step.py").touch()

    def run_quietly(name, command, environment=None):
        if environment is None:
            return (mypy, "wrong type") if name == "mypy" else (0, "")
        assert environment["NUMBA_BOUNDSCHECK"] == "1"
        return bounds, "7 passed in 1 s"

    monkeypatch.setattr(dev, "run_quietly", run_quietly)
    monkeypatch.setattr(dev, "run_openly", lambda command: tests)
    monkeypatch.setattr(dev, "warm_up", lambda environment, **variables: None)
    assert dev.command_test(environment_of(project[0]), []) == int(closing.startswith("Failed"))
    assert capsys.readouterr().out.splitlines()[-1].startswith(closing)
