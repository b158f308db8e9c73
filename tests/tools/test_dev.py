"""dev.py: what it does when all is well, when nothing is to be done, and when a step fails."""

import sys
from pathlib import Path
from types import SimpleNamespace

import dev
import pytest

import bounds_stamp
import warm_up


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
            started.append((command[1:], options["env"]))

        def wait(self):
            assert len(started) == 2, "both halves run before one is waited for"
            return 0

    monkeypatch.setattr(dev.subprocess, "Popen", Process)
    assert dev.warm_up(environment_of(Path("nowhere")), NUMBA_BOUNDSCHECK="1")
    assert [command for command, _ in started] == [["tools/warm_up.py", half] for half in ("core", "indicators")]
    assert all(environment["NUMBA_BOUNDSCHECK"] == "1" for _, environment in started)


def test_both_halves_of_the_core_name_every_file_that_is_compiled():
    names = {*warm_up.modules("core"), *warm_up.modules("indicators")}
    source = Path(dev.__file__).parent / "src"
    files = [file for file in source.rglob("*.py") if "\n@compiled(" in file.read_text(encoding="utf-8")]
    assert len(files) > 100
    missing = {".".join(file.relative_to(source).with_suffix("").parts) for file in files} - names
    assert missing == {"tightloop.core.indicators.__init__"}
    assert "tightloop.core.indicators" in names


def test_a_half_in_which_nothing_is_found_is_no_success(monkeypatch):
    monkeypatch.setattr(warm_up.pkgutil, "walk_packages", lambda path, prefix: [])
    with pytest.raises(SystemExit, match="no module of the half core was found"):
        warm_up.modules("core")


# --- what is run: at every change, with bounds checks, at night -------------------------------------------------------


@pytest.fixture
def ran(project, monkeypatch):
    """dev.py with commands that end as ``codes`` says by a word in them; keeps what was run."""
    folder, _ = project
    codes, commands = {}, []
    (folder / "tests").mkdir()

    def code_of(command):
        commands.append(command)
        return next(
            (code for word, code in codes.items() if any(word in (part, Path(part).stem) for part in command)), 0
        )

    def run_quietly(name, command, environment=None):
        code = code_of(command)
        if "tools/bounds_stamp.py" in command:
            return code, "the core's hash\n"
        if "pytest" in command:
            assert environment["NUMBA_BOUNDSCHECK"] == "1"
            return code, "7 passed in 1 s"
        return code, "noise"

    monkeypatch.setattr(dev, "run_quietly", run_quietly)
    monkeypatch.setattr(dev, "run_openly", lambda command, folder=None, **variables: code_of(command))
    monkeypatch.setattr(dev, "warm_up", lambda environment, **variables: not codes.get("warm_up"))
    return SimpleNamespace(codes=codes, commands=commands, environment=environment_of(folder), folder=folder)


def closing_of(ran, capsys, command):
    code = command(ran.environment, [])
    line = capsys.readouterr().out.splitlines()[-1]
    assert code == int(line.startswith("Failed: "))
    return line


@pytest.mark.parametrize(
    ("codes", "closing"),
    [
        ({}, "All passed: lint, the tests above, 7 of the core again with bounds checks"),
        ({"mypy": 1}, "Failed: mypy ("),
        ({"mypy": 1, "pytest": 1}, "Failed: mypy, pytest, pytest with bounds checks ("),
        ({"warm_up": 1}, "Failed: compiling the core ("),
    ],
)
def test_every_failure_is_shown_and_one_line_closes(ran, capsys, codes, closing):
    ran.codes.update(codes)
    assert closing_of(ran, capsys, dev.command_test).startswith(closing)


def test_a_core_that_passed_with_bounds_checks_is_not_run_with_them_again(ran, capsys):
    stamp = ran.folder / "tests" / "bounds_checked.txt"
    assert "7 of the core again with bounds checks" in closing_of(ran, capsys, dev.command_test)
    assert stamp.read_text() == "the core's hash\n"
    ran.commands.clear()
    assert "the core is the one that passed" in closing_of(ran, capsys, dev.command_test)
    assert sum("pytest" in command for command in ran.commands) == 1
    stamp.write_text("the hash of another core\n")
    assert "7 of the core again with bounds checks" in closing_of(ran, capsys, dev.command_test)


def test_a_core_that_fails_with_bounds_checks_is_not_noted_as_one_that_passed(ran, capsys):
    ran.codes["pytest"] = 1
    assert closing_of(ran, capsys, dev.command_bounds).startswith("Failed: pytest with bounds checks (")
    assert not (ran.folder / "tests" / "bounds_checked.txt").exists()


def test_what_takes_long_is_left_to_the_night(ran, capsys, monkeypatch):
    fuzzed = []
    monkeypatch.setattr(dev, "command_fuzz", lambda environment, arguments: fuzzed.append(arguments) or 0)
    closing_of(ran, capsys, dev.command_test)
    (tests,) = [command for command in ran.commands if "pytest" in command and "-q" not in command]
    assert tests[-2:] == ["-m", "not (peers or bounds)"]
    ran.commands.clear()
    closing_of(ran, capsys, dev.command_nightly)
    tests, checked = [command for command in ran.commands if "pytest" in command]
    assert tests[tests.index("not bounds") - 1] == "-m"
    assert "-m" not in checked[3:]
    assert "--hypothesis-profile=fresh" in tests
    assert "--hypothesis-profile=fresh" in checked
    assert fuzzed == [["--count", "20000"]]
    assert any("tools/make_pictures.py" in command for command in ran.commands)
    others = [command[-2] for command in ran.commands if "--python" in command]
    assert others == ["3.11", "3.13"], "the environment is of 3.12"


@pytest.mark.parametrize("failing", ["make_pictures", "3.13"])
def test_a_night_goes_on_after_a_failure_and_names_it(ran, capsys, monkeypatch, failing):
    monkeypatch.setattr(dev, "command_fuzz", lambda environment, arguments: 1)
    ran.codes[failing] = 1
    named = {"make_pictures": "pictures", "3.13": "Python 3.13"}[failing]
    assert closing_of(ran, capsys, dev.command_nightly).startswith(f"Failed: fuzz, {named} (")


# --- the hash of the code that is run with bounds checks --------------------------------------------------------------


def hash_of(folder, **files):
    for name, text in {"step": "x = 1\n", **files}.items():
        path = folder / "src" / "tightloop" / "core" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "requirements.lock").write_text("numba==1\nclick==1\n", encoding="utf-8")
    return bounds_stamp.stamp(folder, ["tests/core"])


WORDS = '''
"""Another docstring,
of two lines."""

# a comment
x = 1  # and one more


'''


def test_the_hash_of_the_core_is_of_its_code_and_not_of_its_words(tmp_path):
    plain = hash_of(tmp_path)
    assert hash_of(tmp_path, step=WORDS) == plain
    assert hash_of(tmp_path, step="x = 2\n") != plain
    assert hash_of(tmp_path, step="x = '# 1'\n") != hash_of(tmp_path, step="x = '# 2'\n")
    assert hash_of(tmp_path, step="def f(): 'a'\n") == hash_of(tmp_path, step="def f(): 'a'  # b\n")
    assert hash_of(tmp_path, step="def f(): 'a'\n") != hash_of(tmp_path, step="def g(): 'a'\n")


def test_the_hash_of_the_core_is_of_every_file_and_of_the_tests_and_the_compiler(tmp_path):
    plain = hash_of(tmp_path)
    assert hash_of(tmp_path, more="") != plain
    (tmp_path / "src" / "tightloop" / "core" / "more.py").unlink()
    assert hash_of(tmp_path) == plain
    test = tmp_path / "tests" / "core" / "test_step.py"
    test.parent.mkdir(parents=True)
    test.write_text("assert x\n")
    assert hash_of(tmp_path) != plain
    test.unlink()
    (tmp_path / "requirements.lock").write_text("numba==2\nclick==1\n")
    assert bounds_stamp.stamp(tmp_path, ["tests/core"]) != plain
    (tmp_path / "requirements.lock").write_text("numba==1\nclick==2\n")
    assert bounds_stamp.stamp(tmp_path, ["tests/core"]) == plain
