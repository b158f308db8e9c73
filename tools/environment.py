"""The virtual environment of the repository: which packages a command needs, how they come. Standard library alone.

`requirements.lock` has its packages in sections. A command names the sections it needs; what is there already is not
installed again, and nothing is asked from the network then. The environment is made without pip, which takes seconds to
unpack; uv installs, and where it cannot be had or fails, the pip that comes with Python does.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import running
from running import WINDOWS, Failure, Steps

SUPPORTED = ("3.11", "3.12", "3.13")
RUN = ("runtime", "build")
COMPILE = (*RUN, "compile")
ALL = (*COMPILE, "web", "test", "lint")
NIGHT = (*ALL, "fuzz")
DOWNLOAD_MB = {"runtime": 130, "build": 1, "compile": 64, "web": 6, "test": 8, "lint": 26, "fuzz": 35}
"""Sizes of the wheels on Linux, about; they differ by platform."""
INSTALLER = "installer"
PIP_OPTIONS = ("--disable-pip-version-check", "--no-warn-script-location")
NETWORK = (
    "look at the first error above; without a network, point pip at a folder of wheels (PIP_FIND_LINKS, "
    "PIP_NO_INDEX=1); behind a proxy set HTTPS_PROXY"
)
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
}
"""Variables of pip and what uv calls them: who has set pip up need not know of uv."""
FIND_PIP = """
import glob, os, sysconfig
places = [sysconfig.get_config_var("WHEEL_PKG_DIR") or ""]
try:
    import ensurepip
    places.append(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
except ImportError:
    pass
print(next((wheel for place in places if place for wheel in glob.glob(os.path.join(place, "pip-*.whl"))), ""))
"""
COMPILE_BEHIND = """
import compileall, os, sys
if hasattr(os, "nice"):
    os.nice(10)
for folder in sys.argv[1:]:
    compileall.compile_dir(folder, quiet=2)
"""


class Environment:
    """A virtual environment of this repository and the Python it is made from."""

    def __init__(self, folder: Path, python: str, version: str) -> None:
        """``python`` is the interpreter to make it from, ``version`` its full version, such as 3.12.1."""
        self.folder = folder
        self.base_python = python
        self.version = version
        self.scripts = folder / ("Scripts" if WINDOWS else "bin")
        self.stamp_file = folder / "tightloop-setup.json"

    @property
    def python(self) -> str:
        """The interpreter inside."""
        return str(self.scripts / ("python.exe" if WINDOWS else "python"))

    def script(self, name: str) -> str:
        """Return the path of a program inside."""
        return str(self.scripts / (name + ".exe" if WINDOWS else name))

    def stamp(self, sections: Sequence[str]) -> dict[str, str]:
        """Return what a complete environment with these sections is made of, as hashes."""
        place = f"{self.version} {platform.machine()} {running.ROOT}".encode()
        parts = {"python and place": place, "package": (running.ROOT / "pyproject.toml").read_bytes()}
        pins = pinned()
        parts |= {section: "\n".join(pins.get(section, [])).encode() for section in sections}
        return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}

    def stamp_found(self) -> dict[str, str]:
        """Return the stamp of the last complete set-up; empty when there is none or its Python is gone."""
        try:
            found = json.loads(self.stamp_file.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and Path(self.python).exists() else {}

    def write_stamp(self, stamp: dict[str, str]) -> None:
        """Note that the set-up is complete."""
        part = self.stamp_file.with_suffix(".part")
        part.write_text(json.dumps(stamp, indent=1) + "\n", encoding="ascii")
        part.replace(self.stamp_file)


def pinned() -> dict[str, list[str]]:
    """Read the lines of requirements.lock by section; a section begins with ``# name`` or ``# name: what it is``."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (running.ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch(r"# (\w+)(:.*)?", line):
            section = title[1]
        elif line.strip() and not line.startswith("#"):
            found.setdefault(section, []).append(line)
    return found


def probe(command: list[str]) -> tuple[str, str] | None:
    """Return (interpreter, full version) of a command that starts Python; None when it does not."""
    code = "import sys, platform; print(sys._base_executable or sys.executable); print(platform.python_version())"
    try:
        done = subprocess.run([*command, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return (lines[0], lines[1]) if done.returncode == 0 and len(lines) == 2 else None


def find_python(wanted: str) -> tuple[str, str]:
    """Find an installed interpreter of a version such as "3.12"; return it and its full version."""
    candidates: list[list[str]] = [[f"python{wanted}"]]
    if WINDOWS:
        candidates.append(["py", f"-{wanted}"])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += [[str(path)] for path in sorted(pyenv.glob(f"versions/{wanted}.*/bin/python"), reverse=True)]
    for command in candidates:
        found = probe(command)
        if found and found[1].startswith(f"{wanted}."):
            return found
    raise Failure(f"Python {wanted} is not installed here; tried {', '.join(' '.join(c) for c in candidates)}")


def choose_environment(wanted: str | None) -> Environment:
    """Choose for ``--python``, for the Python that runs this file, or for any supported one that is found."""
    root = running.ROOT
    if wanted:
        if wanted not in SUPPORTED:
            raise Failure(f"--python {wanted}: tightloop runs on {', '.join(SUPPORTED)}", code=2)
        return Environment(root / f".venv-{wanted}", *find_python(wanted))
    version = "{}.{}".format(*sys.version_info[:2])
    if version in SUPPORTED:
        # Started from inside .venv, the interpreter to build with is the one .venv was made from.
        base = getattr(sys, "_base_executable", None) or sys.executable
        return Environment(root / ".venv", base, platform.python_version())
    for other in reversed(SUPPORTED):
        try:
            return Environment(root / ".venv", *find_python(other))
        except Failure:
            continue
    raise Failure(
        f"tightloop runs on Python {', '.join(SUPPORTED)}; this is {version} and no other was found. "
        "Install one of them and start this file with it"
    )


# --- steps of a set-up ------------------------------------------------------------------------------------------------


def make_environment(environment: Environment, line: str) -> None:
    """Make an empty environment in place of whatever was there."""
    folder = environment.folder
    _remove(folder)
    running.must_run(
        line,
        [environment.base_python, "-m", "venv", "--without-pip", str(folder)],
        "on Debian and Ubuntu install the package python3-venv",
    )
    (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _remove(folder: Path) -> None:
    """Remove what is in the place of an environment: moved aside at once, deleted while the set-up goes on."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        try:
            folder.rename(folder.with_name(f"{folder.name}.old-{time.time_ns()}"))
        except OSError as error:
            raise Failure(f"{folder} cannot be replaced ({error.strerror}); close what uses it") from None
    old = [str(path) for path in folder.parent.glob(f"{folder.name}.old-*")]
    if old:
        code = "import shutil, sys\nfor path in sys.argv[1:]: shutil.rmtree(path, ignore_errors=True)"
        running.run_behind([sys.executable, "-c", code, *old])


def pip_command(environment: Environment) -> list[str]:
    """Return how pip is started for an environment that has none: from Python's own wheel of it, or from its base."""
    base = environment.base_python
    done = subprocess.run([base, "-I", "-c", FIND_PIP], capture_output=True, text=True, check=False)
    if wheel := done.stdout.strip():
        return [environment.python, f"{wheel}/pip"]
    if subprocess.run([base, "-I", "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [base, "-m", "pip", "--python", environment.python]
    raise Failure(f"{base} has no pip; on Debian and Ubuntu install python3-venv, elsewhere Python with ensurepip")


def uv_program(environment: Environment) -> str | None:
    """Return the uv that is in the environment or on the path; None when there is none."""
    name = "uv.exe" if WINDOWS else "uv"
    own = [environment.folder / "uv" / place / name for place in ("bin", "Scripts")]
    return next((str(path) for path in own if path.is_file()), None) or shutil.which("uv")


def fetch_uv(environment: Environment, line: str) -> None:
    """Bring uv into the environment. It is no fault when that fails: pip then installs all."""
    pins = pinned().get(INSTALLER, [])
    target = ("--target", str(environment.folder / "uv"), "--no-deps", "--only-binary", ":all:")
    patience = ("--retries", "1", "--timeout", "20")
    command = [*pip_command(environment), "install", *PIP_OPTIONS, *target, *patience, *pins]
    code, _ = running.run_quietly(line, command)
    if code:
        shutil.rmtree(environment.folder / "uv", ignore_errors=True)
        print("uv cannot be had here; pip installs, which takes longer", flush=True)


def uv_variables() -> dict[str, str]:
    """Return pip's variables under the names that uv reads, where uv has none of its own."""
    found = {theirs: os.environ[ours] for ours, theirs in UV_NAMES.items() if os.environ.get(ours)}
    if links := os.environ.get("PIP_FIND_LINKS"):
        found["UV_FIND_LINKS"] = ",".join(links.split())
    return {name: value for name, value in found.items() if name not in os.environ}


def install(environment: Environment, line: str, what: list[str], remedy: str) -> None:
    """Install packages by uv; by pip when there is no uv, or when it fails."""
    uv = uv_program(environment)
    if uv:
        command = [uv, "pip", "install", "--python", environment.python, *what]
        code, _ = running.run_quietly(line, command, running.clean_environment(**uv_variables()))
        if code == 0:
            return
        line += ", by pip because uv failed"
    running.must_run(line, [*pip_command(environment), "install", *PIP_OPTIONS, *what], remedy)


def install_sections(environment: Environment, line: str, sections: list[str]) -> None:
    """Install the pinned packages of sections."""
    pins = pinned()
    file = environment.folder / "tightloop-requirements.txt"
    text = "".join(f"{pin}\n" for section in sections for pin in pins.get(section, []))
    file.write_text(text, encoding="utf-8")
    install(environment, line, ["-r", str(file)], NETWORK)


def install_tightloop(environment: Environment, line: str) -> None:
    """Install this package, editable, without asking the network for anything."""
    what = ["--no-deps", "--no-build-isolation", "--editable", str(running.ROOT)]
    install(environment, line, what, f"delete the folder {environment.folder.name} and run this again")


def write_byte_code(environment: Environment, line: str) -> None:
    """Compile all packages to byte code. The exit code says nothing: some carry files for other versions of Python."""
    folders = [str(environment.folder), str(running.ROOT / "src")]
    workers = str(os.cpu_count() or 1)
    running.run_quietly(line, [environment.python, "-m", "compileall", "-q", "-j", workers, *folders])


def write_byte_code_behind(environment: Environment) -> None:
    """Compile all packages to byte code while the user reads on; once for each set-up."""
    stamp = environment.stamp_found()
    if stamp and "byte code" not in stamp:
        environment.write_stamp({**stamp, "byte code": "begun"})
        folders = [str(environment.folder), str(running.ROOT / "src")]
        running.run_behind([environment.python, "-c", COMPILE_BEHIND, *folders])


def set_up(environment: Environment, sections: Sequence[str], *, following: int = 0, is_hurried: bool = False) -> Steps:
    """Bring the environment up to date. Does nothing when its stamp says that it is.

    ``following`` steps of the caller are counted with those of the set-up. ``is_hurried`` leaves byte code to
    ``write_byte_code_behind``. Returns the steps, for the caller's own.
    """
    found = environment.stamp_found()
    known = [name for name in NIGHT if name in found]
    then = environment.stamp(known)
    is_fresh = not found or any(found.get(name) != value for name, value in then.items() if name != "package")
    missing = [name for name in sections if is_fresh or name not in found]
    plan: list[tuple[str, Callable[[str], None]]] = []
    if is_fresh:
        what = f"making {environment.folder.name} with Python {environment.version}"
        plan.append((what, lambda line: make_environment(environment, line)))
    if missing and (is_fresh or not uv_program(environment)) and not shutil.which("uv"):
        plan.append(("fetching uv, which installs packages", lambda line: fetch_uv(environment, line)))
    if missing:
        size = sum(DOWNLOAD_MB[name] for name in missing)
        what = f"installing packages, about {size} MB ({', '.join(missing)})"
        plan.append((what, lambda line: install_sections(environment, line, missing)))
    if is_fresh or found.get("package") != then["package"]:
        plan.append(("installing tightloop", lambda line: install_tightloop(environment, line)))
    if plan and not is_hurried:
        plan.append(("compiling packages to byte code", lambda line: write_byte_code(environment, line)))
    steps = Steps(len(plan) + following)
    if plan:
        environment.stamp_file.unlink(missing_ok=True)
        for what, action in plan:
            line = steps.begin(what)
            action(line)
            steps.end(line)
        complete = environment.stamp([name for name in NIGHT if name in {*([] if is_fresh else known), *sections}])
        environment.write_stamp(complete if is_hurried else {**complete, "byte code": "written"})
    return steps
