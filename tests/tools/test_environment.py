"""tools/environment.py: what a set-up does, what it leaves out, and how it recovers."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import environment
import running

LOCK = """# Exact versions: of everything.

# runtime
click==1
# a remark
colorama==1 ; sys_platform == "win32"

# compile: what makes machine code
numba==1

# web: what serves
fastapi==1

# test
pytest==1

# lint
ruff==1

# fuzz
atheris==1

# build: what installs this package
hatchling==1

# installer
uv==1
"""
MAKE = "making .venv"
FETCH = "fetching uv, which installs packages"
INSTALL = "installing tightloop"
BYTES = "compiling packages to byte code"
RUN = f"installing packages, about {130 + 1} MB (runtime, build)"
WHOLE = f"installing packages, about {130 + 1 + 64 + 6 + 8 + 26} MB (runtime, build, compile, web, test, lint)"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with pins, where commands succeed unless ``failing`` has a word of theirs; keeps what was run."""
    monkeypatch.setattr(running, "ROOT", tmp_path)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    made = SimpleNamespace(folder=tmp_path, failing=set(), commands=[], steps=[], variables=[], behind=[])

    def run_quietly(name, command, variables=None, folder=None):
        made.commands.append(command)
        made.variables.append(variables)
        if made.failing.intersection(command) or made.failing.intersection(Path(part).stem for part in command):
            return 1, "it failed"
        if "venv" in command:
            python = Path(environment_of(made).python)
            python.parent.mkdir(parents=True)
            python.touch()
        if "--target" in command:
            uv = Path(command[command.index("--target") + 1]) / "bin" / ("uv.exe" if running.WINDOWS else "uv")
            uv.parent.mkdir(parents=True)
            uv.touch()
        return 0, ""

    begin = running.Steps.begin
    monkeypatch.setattr(running.Steps, "begin", lambda self, what: made.steps.append(what) or begin(self, what))
    monkeypatch.setattr(running, "run_quietly", run_quietly)
    monkeypatch.setattr(running, "run_behind", made.behind.append)
    return made


def environment_of(project, version="3.12.1"):
    return environment.Environment(project.folder / ".venv", sys.executable, version)


def steps_of(project, sections=environment.ALL, version="3.12.1", *, is_hurried=False):
    """The steps of a set-up."""
    for kept in (project.steps, project.commands, project.variables, project.behind):
        kept.clear()
    environment.set_up(environment_of(project, version), sections, is_hurried=is_hurried)
    return [step.split(" with ")[0] for step in project.steps]


def installed(project):
    """The lines that were asked for."""
    return (project.folder / ".venv" / "tightloop-requirements.txt").read_text().splitlines()


def test_the_lock_is_read_by_section(project):
    pins = environment.pinned()
    assert pins["runtime"] == ["click==1", 'colorama==1 ; sys_platform == "win32"']
    assert pins["compile"] == ["numba==1"]
    assert pins["installer"] == ["uv==1"]


def test_the_lock_of_the_repository_has_every_section():
    pins = environment.pinned()
    assert set(pins) == {*environment.NIGHT, "installer", "pages"}
    assert set(environment.DOWNLOAD_MB) == set(environment.NIGHT)
    assert {line.partition("==")[0] for line in pins["compile"]} == {"llvmlite", "numba"}


def test_the_first_set_up_makes_everything_and_the_second_nothing(project):
    assert steps_of(project) == [MAKE, FETCH, WHOLE, INSTALL, BYTES]
    assert len(installed(project)) == 7
    assert steps_of(project) == []
    assert project.commands == [], "nothing is asked from the network"


def test_who_only_runs_it_gets_what_a_run_needs_and_byte_code_later(project):
    assert steps_of(project, environment.RUN, is_hurried=True) == [MAKE, FETCH, RUN, INSTALL]
    assert installed(project) == ["click==1", 'colorama==1 ; sys_platform == "win32"', "hatchling==1"]
    assert steps_of(project, environment.RUN) == []
    environment.write_byte_code_behind(environment_of(project))
    ((python, *_),) = project.behind
    assert python == environment_of(project).python
    environment.write_byte_code_behind(environment_of(project))
    assert len(project.behind) == 1, "it is done once"


def test_what_is_missing_is_added_and_the_rest_stays(project):
    steps_of(project, environment.RUN, is_hurried=True)
    (project.folder / ".venv" / "kept").touch()
    assert steps_of(project, (*environment.COMPILE, "lint")) == [
        "installing packages, about 90 MB (compile, lint)",
        BYTES,
    ]
    assert installed(project) == ["numba==1", "ruff==1"]
    assert (project.folder / ".venv" / "kept").exists()
    assert steps_of(project, environment.COMPILE) == []
    environment.write_byte_code_behind(environment_of(project))
    assert project.behind == [], "it was written in the open"


def test_what_the_night_alone_needs_stays_in_the_environment_of_the_day(project):
    steps_of(project)
    assert "atheris==1" not in installed(project)
    assert steps_of(project, environment.NIGHT) == ["installing packages, about 35 MB (fuzz)", BYTES]
    assert installed(project) == ["atheris==1"]
    assert steps_of(project) == steps_of(project, environment.NIGHT) == []
    (project.folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert steps_of(project) == [INSTALL, BYTES]
    assert steps_of(project, environment.NIGHT) == []


def test_new_pins_make_the_environment_anew(project):
    steps_of(project)
    (project.folder / ".venv" / "leftover").touch()
    (project.folder / "requirements.lock").write_text(LOCK.replace("ruff==1", "ruff==2"))
    assert steps_of(project) == [MAKE, FETCH, WHOLE, INSTALL, BYTES]
    assert not (project.folder / ".venv" / "leftover").exists()
    (command,) = project.behind
    assert ".venv.old-" in command[-1], "what was there is deleted while the set-up goes on"


def test_new_pins_of_what_is_not_installed_change_nothing(project):
    steps_of(project, environment.RUN)
    (project.folder / "requirements.lock").write_text(LOCK.replace("ruff==1", "ruff==2"))
    assert steps_of(project, environment.RUN) == []


def test_a_changed_definition_installs_only_the_package(project):
    steps_of(project)
    (project.folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert steps_of(project) == [INSTALL, BYTES]


def test_another_python_or_a_broken_environment_is_replaced(project):
    steps_of(project)
    assert steps_of(project, version="3.13.0")[0] == MAKE
    Path(environment_of(project).python).unlink()
    assert steps_of(project, version="3.13.0")[0] == MAKE
    environment_of(project).stamp_file.write_text("{")
    assert steps_of(project, version="3.13.0")[0] == MAKE


@pytest.mark.parametrize("at", [MAKE, FETCH, WHOLE, INSTALL, BYTES])
def test_a_set_up_that_was_interrupted_is_done_again(project, monkeypatch, at):
    run_quietly = running.run_quietly

    def interrupted(name, command, variables=None, folder=None):
        if at in name:
            raise KeyboardInterrupt
        return run_quietly(name, command, variables)

    with monkeypatch.context() as patch:
        patch.setattr(running, "run_quietly", interrupted)
        with pytest.raises(KeyboardInterrupt):
            steps_of(project)
    assert steps_of(project) == [MAKE, FETCH, WHOLE, INSTALL, BYTES]
    assert steps_of(project) == []


def test_an_addition_that_was_interrupted_is_done_again(project):
    steps_of(project, environment.RUN)
    project.failing = {"tightloop-requirements"}
    with pytest.raises(running.Failure):
        steps_of(project)
    project.failing = set()
    assert steps_of(project)[0] == MAKE
    assert steps_of(project, environment.ALL) == []


def test_packages_are_installed_by_uv_from_the_path_if_there_is_one(project, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/somewhere/uv")
    assert steps_of(project) == [MAKE, WHOLE, INSTALL, BYTES]
    assert project.commands[1][:3] == ["/somewhere/uv", "pip", "install"]


def test_pip_installs_where_uv_cannot_be_had(project, capsys):
    project.failing = {"uv==1", "uv"}
    assert steps_of(project) == [MAKE, FETCH, WHOLE, INSTALL, BYTES]
    assert "uv cannot be had here; pip installs, which takes longer" in capsys.readouterr().out
    install = project.commands[2]
    assert install[0] == environment_of(project).python
    assert Path(install[1]).name == "pip"
    assert install[2] == "install"
    assert steps_of(project) == []


def test_pip_installs_where_uv_fails(project, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/somewhere/uv")
    project.failing = {"uv"}
    steps_of(project)
    tried, done = project.commands[1:3]
    assert tried[0] == "/somewhere/uv"
    assert Path(done[1]).name == "pip"
    assert tried[-2:] == done[-2:]


def test_packages_that_nobody_can_install_end_with_what_to_try(project):
    project.failing = {"tightloop-requirements"}
    with pytest.raises(running.Failure, match="What to try: look at the first error above; without a network"):
        steps_of(project)


def test_uv_hears_what_pip_was_told(project, monkeypatch):
    for name in (*environment.UV_NAMES, *environment.UV_NAMES.values(), "PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    assert environment.uv_variables() == {}
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels https://packages.example/more")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_INDEX", "0")
    told = {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "UV_FIND_LINKS": "/wheels,https://packages.example/more",
    }
    assert environment.uv_variables() == told
    steps_of(project)
    assert all(found.items() >= told.items() for found in project.variables[2:4])


def test_this_python_comes_with_a_pip_for_an_environment_that_has_none(project):
    python, pip, *rest = environment.pip_command(environment_of(project))
    assert python == environment_of(project).python
    assert Path(pip).parent.suffix == ".whl"
    assert Path(pip).parent.is_file()
    assert rest == []


@pytest.mark.parametrize("code", [0, 1])
def test_a_python_without_that_wheel_installs_by_its_own_pip_or_says_what_to_do(project, monkeypatch, code):
    found = SimpleNamespace(stdout="\n", returncode=code)
    monkeypatch.setattr(environment.subprocess, "run", lambda command, **options: found)
    if code:
        with pytest.raises(running.Failure, match="has no pip; on Debian and Ubuntu install python3-venv"):
            environment.pip_command(environment_of(project))
    else:
        command = environment.pip_command(environment_of(project))
        assert command == [sys.executable, "-m", "pip", "--python", environment_of(project).python]


def test_the_running_python_is_found_by_its_version():
    assert environment.probe([sys.executable]) is not None
    assert environment.probe([sys.executable + "-that-is-not-there"]) is None
    with pytest.raises(running.Failure, match=r"Python 9\.9 is not installed here"):
        environment.find_python("9.9")
