"""dev.py: its commands, what each of them needs, and what it says when something fails."""

import sys
from pathlib import Path
from types import SimpleNamespace

import dev
import pytest

import bounds_stamp
import environment
import running
import warm_up


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with pins and a definition; commands that are not run."""
    for module in (dev, running):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "requirements.lock").write_text("# runtime\npinned==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "src").mkdir()
    return tmp_path


def environment_of(folder, version="3.12.1"):
    return environment.Environment(folder / ".venv", sys.executable, version)


@pytest.mark.parametrize("arguments", [["nonsense"], ["--python", "2.7", "setup"]])
def test_bad_input_ends_with_2(arguments, capsys):
    assert dev.main(arguments) == 2
    assert "dev.py: " in capsys.readouterr().err


def test_arguments_where_none_belong_end_with_2(monkeypatch, capsys):
    monkeypatch.setattr(dev, "set_up", lambda environment, sections: None)
    assert dev.main(["lint", "more"]) == 2
    assert "lint takes no arguments, not more" in capsys.readouterr().err


def test_a_missing_runner_is_named(project, monkeypatch, capsys):
    monkeypatch.setattr(dev, "set_up", lambda environment, sections: None)
    assert dev.main(["bench"]) == 2
    assert "benches/run.py" in capsys.readouterr().err


def test_lint_names_what_failed_and_shows_its_output(monkeypatch, capsys):
    answers = {"mypy": (1, "wrong type\n")}
    monkeypatch.setattr(dev, "run_quietly", lambda name, command: answers.get(name, (0, "noise")))
    assert dev.lint(environment_of(Path("/nowhere"))) == ["mypy"]
    assert capsys.readouterr().out == "mypy: failed\nwrong type\n\n"


@pytest.fixture
def demo(project, monkeypatch):
    """Run the demo with a command line that works; gives the backtests it asked for, and what it installed."""
    asked, installed = [], []
    answers = SimpleNamespace(misfit=None, code=0, steps_of_set_up=0)

    def make_sample(name, command, remedy):
        assert command[1:4] == ["data", "sample", "--out"]
        (project / command[4]).mkdir()

    def run_openly(command):
        asked.append(command[1:])
        return answers.code

    def set_up(environment, sections, *, following, is_hurried):
        installed.append((sections, is_hurried))
        return running.Steps(answers.steps_of_set_up + following)

    monkeypatch.setattr(dev, "must_run", make_sample)
    monkeypatch.setattr(dev, "run_openly", run_openly)
    monkeypatch.setattr(dev, "set_up", set_up)
    monkeypatch.setattr(dev, "SHARED_DATA", project / "shared")
    monkeypatch.setattr(dev.image_fits, "misfit", lambda root: answers.misfit)
    monkeypatch.setattr(dev, "write_byte_code_behind", lambda environment: asked.append(["byte code"]))
    monkeypatch.setattr(dev, "paper_session", lambda environment: asked.append(["paper"]) or True)

    def run():
        asked.clear()
        installed.clear()
        return dev.command_demo(environment_of(project), []), list(asked), list(installed)

    run.answers = answers
    return run


def test_the_demo_makes_its_market_once_and_leaves_it_to_the_run_to_say_where_the_report_is(demo, capsys):
    code, asked, _ = demo()
    assert code == 0
    sample = str(Path(".data") / "sample")
    assert asked == [
        ["backtest", "strategies/pump_1m.yaml", "--data", sample, "--out", "runs/demo"],
        ["byte code"],
        ["paper"],
    ]
    first, second, empty = capsys.readouterr().out.splitlines()
    assert first.startswith("step 1 of 2: making a sample market: ")
    assert (second, empty) == ("step 2 of 2: a backtest of strategies/pump_1m.yaml", "")
    assert demo()[0] == 0
    assert capsys.readouterr().out.strip() == "", "there is nothing to be done but the backtest"


def test_the_demo_installs_the_compiler_only_where_the_image_does_not_fit_and_says_why(demo, capsys):
    assert demo()[2] == [(("runtime", "build"), True)]
    demo.answers.misfit = "step.py of the core is new"
    assert demo()[2] == [(("runtime", "build", "compile"), True)]
    assert "compiled here, which takes a minute or more once: step.py of the core is new." in capsys.readouterr().out


def test_the_steps_of_the_demo_go_on_from_those_of_the_set_up(demo, project, capsys):
    (project / ".data" / "sample").mkdir(parents=True)
    demo.answers.steps_of_set_up = 4
    demo()
    assert "step 1 of 5: a backtest of" in capsys.readouterr().out, "the set-up of this test begins no step"


def test_the_demo_runs_on_real_data_where_there_is_some(demo, project):
    (project / "shared").mkdir()
    _, asked, _ = demo()
    assert [command[1] for command in asked[:2]] == ["strategies/pump_1m.yaml", "strategies/ema_cross.yaml"]
    assert asked[1][2:4] == ["--instrument", "ftx:BTCUSD-perp"]


def test_a_demo_that_fails_says_so_with_its_exit_code(demo):
    demo.answers.code = 2
    assert demo()[0] == 1


PLAYED = """#!/bin/sh
echo "$@" >> {log}
if [ "$1" = sandbox ]; then echo "twin at http://127.0.0.1:4711, seed 1"; exec sleep 60; fi
if [ "$1" = paper ]; then exit {code}; fi
"""


@pytest.mark.skipif(running.WINDOWS, reason="sessions do not run there")
@pytest.mark.parametrize(("code", "steps"), [(0, ["sandbox", "paper", "session"]), (4, ["sandbox", "paper"])])
def test_the_paper_session_of_the_demo_asks_the_sandbox_for_its_port_and_ends_it(
    project, capsys, monkeypatch, code, steps
):
    monkeypatch.setattr(dev, "HOME_BYTES_MAX", 10_000)  # a home of the project, whose path is long here
    environment, log = environment_of(project), project / "log"
    script = Path(environment.script("tightloop"))
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(PLAYED.format(log=log, code=code), encoding="utf-8")
    script.chmod(0o755)
    assert dev.paper_session(environment) is (code == 0)
    asked = log.read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == steps
    assert "--port 0" in asked[0]
    assert "--url http://127.0.0.1:4711 " in asked[1]
    assert ("session show last --home " in capsys.readouterr().out) is (code == 0)


@pytest.mark.parametrize(
    ("name", "misfit", "sections"),
    [
        ("setup", None, dev.ALL),
        ("test", None, dev.ALL),
        ("nightly", None, (*dev.ALL, "fuzz")),
        ("lint", None, ("runtime", "build", "compile", "web", "lint")),
        ("native", None, ("runtime", "build", "compile")),
        ("ui", None, ("runtime", "build")),
        ("reference", None, ("runtime", "build")),
        ("reference", "native/index.json is not there", ("runtime", "build", "compile")),
    ],
)
def test_a_command_installs_what_it_needs(monkeypatch, name, misfit, sections):
    monkeypatch.setattr(dev.image_fits, "misfit", lambda root: misfit)
    assert dev.sections_of(name) == sections


# --- the image of machine code ----------------------------------------------------------------------------------------


@pytest.fixture
def on_linux(monkeypatch):
    monkeypatch.setattr(dev.platform, "system", lambda: "Linux")
    monkeypatch.setattr(dev.platform, "machine", lambda: "x86_64")


def test_the_image_is_built_in_an_empty_cache_with_what_its_bytes_depend_on(monkeypatch, on_linux):
    asked = []

    def run_openly(command, folder=None, **variables):
        assert list(Path(variables["NUMBA_CACHE_DIR"]).iterdir()) == []
        asked.append((command[1:], variables))
        return 0

    monkeypatch.setattr(dev, "run_openly", run_openly)
    monkeypatch.setenv("NUMBA_OPT", "1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    assert dev.command_native(environment_of(Path("nowhere"), "3.11.9"), ["--check"]) == 0
    ((command, variables),) = asked
    assert command == ["tools/native_image.py", "--check"]
    source = (Path(dev.__file__).parent / "tools" / "native_image.py").read_text(encoding="utf-8")
    for name, value in dev.NATIVE.items():
        assert variables[name] == value
        assert f'"{name}": ' in source
    assert variables["NUMBA_OPT"] is None
    assert "elsewhere" not in variables["NUMBA_CACHE_DIR"]


def test_the_image_is_built_by_the_oldest_python_on_one_platform(monkeypatch, on_linux, capsys):
    with pytest.raises(dev.Failure, match=r"built by Python 3\.11, the oldest"):
        dev.command_native(environment_of(Path("nowhere"), "3.12.1"), [])
    with pytest.raises(dev.Failure, match="takes --check or nothing, not more"):
        dev.command_native(environment_of(Path("nowhere"), "3.11.9"), ["more"])
    monkeypatch.setattr(dev.platform, "machine", lambda: "aarch64")
    with pytest.raises(dev.Failure, match="on Linux with an x86_64 processor"):
        dev.command_native(environment_of(Path("nowhere"), "3.11.9"), [])


@pytest.mark.parametrize(("running_version", "asked"), [((3, 11), None), ((3, 13), "3.11")])
def test_the_image_asks_for_the_oldest_python_whichever_runs_dev(monkeypatch, running_version, asked):
    monkeypatch.setattr(dev.sys, "version_info", running_version)
    assert dev.python_of("native", None) == asked
    assert dev.python_of("test", None) is None
    assert dev.python_of("test", "3.12") == "3.12"


# --- compiling before the tests ---------------------------------------------------------------------------------------


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
    folder = project
    codes, commands = {}, []
    (folder / "tests").mkdir()

    def code_of(command):
        commands.append(command)
        return next(
            (code for word, code in codes.items() if any(word in (part, Path(part).stem) for part in command)), 0
        )

    def run_quietly(name, command, environment=None, folder=None):
        code = code_of(command)
        if "tools/bounds_stamp.py" in command:
            return code, "the core's hash\n"
        if "pytest" in command:
            assert environment["NUMBA_BOUNDSCHECK"] == "1"
            return code, "7 passed in 1 s"
        return code, "noise"

    for module in (dev, running):
        monkeypatch.setattr(module, "run_quietly", run_quietly)
    monkeypatch.setattr(dev, "run_openly", lambda command, folder=None, **variables: code_of(command))
    monkeypatch.setattr(dev, "warm_up", lambda environment, **variables: not codes.get("warm_up"))
    monkeypatch.setattr(dev.pages, "build", lambda environment: codes.get("pages", lambda: True)())
    monkeypatch.setattr(dev.pages, "check", lambda environment: ["ESLint"] if codes.get("ESLint") else [])
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
        ({"ESLint": 1}, "Failed: ESLint ("),
        ({"mypy": 1, "pytest": 1}, "Failed: mypy, pytest, pytest with bounds checks ("),
        ({"warm_up": 1}, "Failed: compiling the core ("),
    ],
)
def test_every_failure_is_shown_and_one_line_closes(ran, capsys, codes, closing):
    ran.codes.update(codes)
    assert closing_of(ran, capsys, dev.command_test).startswith(closing)


def refusal(failure):
    def refuse():
        raise failure

    return refuse


def test_pages_whose_packages_cannot_be_had_are_no_fault_but_said_also_to_the_tests(ran, capsys, monkeypatch):
    monkeypatch.delenv(dev.NOT_FETCHED, raising=False)
    ran.codes["pages"] = refusal(dev.pages.NotFetched("no network"))
    assert dev.command_test(ran.environment, []) == 0
    assert "The pages are not checked here: no network" in capsys.readouterr().out
    assert dev.os.environ[dev.NOT_FETCHED] == "1"


def test_pages_that_do_not_build_are_a_fault(ran, capsys):
    ran.codes["pages"] = refusal(running.Failure("line 3: no such name"))
    assert closing_of(ran, capsys, dev.command_test).startswith("Failed: building the pages (")


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
    fuzzed, crashed, simulated = [], [], []
    monkeypatch.setattr(dev, "command_sim", lambda environment, arguments: simulated.append(arguments) or 0)
    monkeypatch.setattr(dev, "command_fuzz", lambda environment, arguments: fuzzed.append(arguments) or 0)
    monkeypatch.setattr(dev, "command_crash", lambda environment, arguments: crashed.append(arguments) or 0)
    closing_of(ran, capsys, dev.command_test)
    (tests,) = [command for command in ran.commands if "pytest" in command and "-q" not in command]
    assert tests[-2:] == ["-m", "not (peers or bounds or nightly)"]
    ran.commands.clear()
    closing_of(ran, capsys, dev.command_nightly)
    tests, checked = [command for command in ran.commands if "pytest" in command]
    assert tests[tests.index("not bounds") - 1] == "-m"
    assert "-m" not in checked[3:]
    assert "--hypothesis-profile=fresh" in tests
    assert "--hypothesis-profile=fresh" in checked
    assert fuzzed == [["--count", "20000"]]
    workers = ["--workers", dev.worker_count()]
    assert simulated == [["--seeds", "10000", *workers], ["--planted", *workers]]
    assert [arguments[:2] for arguments in crashed] == [["--times", "200"]] * 3
    assert [arguments[4:] for arguments in crashed] == [[], ["--durability", "power"], ["--cut-tail"]]
    assert any("tests.adapters.venues.fuzz_decoders" in command for command in ran.commands)
    assert any("tools/make_pictures.py" in command for command in ran.commands)
    others = [command[-2] for command in ran.commands if "--python" in command]
    assert others == ["3.11", "3.13"], "the environment is of 3.12"


@pytest.mark.parametrize("failing", ["make_pictures", "3.13"])
def test_a_night_goes_on_after_a_failure_and_names_it(ran, capsys, monkeypatch, failing):
    monkeypatch.setattr(dev, "command_fuzz", lambda environment, arguments: 1)
    monkeypatch.setattr(dev, "command_sim", lambda environment, arguments: 0)
    monkeypatch.setattr(dev, "command_crash", lambda environment, arguments: "power" in arguments)
    ran.codes[failing] = 1
    named = {"make_pictures": "pictures", "3.13": "Python 3.13"}[failing]
    assert closing_of(ran, capsys, dev.command_nightly).startswith(f"Failed: fuzz, crash --durability power, {named} (")


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
