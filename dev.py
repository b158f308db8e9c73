"""The developer's commands, with nothing but Python installed: `python3 dev.py COMMAND`.

    setup              make .venv with the versions of requirements.lock and this package, editable
    demo               setup, a sample market, one backtest on it, and where the report is
    test [ARG ...]     setup, lint, the tests, a changed core again with bounds checks; with ARGs: only pytest ARG ...
    bounds             the core's tests with bounds checks, whether it has changed or not
    nightly            checks too slow for every change: fresh examples, peers, bounds, fuzz, pictures, other Pythons
    lint               ruff, mypy --strict, import contracts, tools/tidy.py
    bench [ARG ...]    benches/run.py: numbers with the machine they were measured on
    reference [ARG ...]    the reference strategies: figure, expected, difference
    fuzz [--count N] [--seed S]    random strategies, product against a plain simulator: each difference a small case

`--python 3.12` before the command uses another installed Python, in an environment of its own.

Successful steps are silent; a long step shows its name and the seconds so far. Exit codes: 0 done, 1 something is
wrong, 2 bad input, 130 interrupted. Standard library only; Linux, macOS and Windows.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SUPPORTED = ("3.11", "3.12", "3.13")
WINDOWS = os.name == "nt"
SHARED_DATA = ROOT.parent / "shared" / "data"
BOUNDS_CHECKED = ("tests/core", "tests/parity", "tests/sim")
BOUNDS_STAMP = "tests/bounds_checked.txt"
BOUNDS_PASS = "pytest with bounds checks"
AT_EVERY_CHANGE = ("-m", "not (peers or bounds)")
AT_NIGHT = ("-m", "not bounds", "--hypothesis-profile=fresh")
BOUNDS_AT_NIGHT = ("--hypothesis-profile=fresh",)
FUZZED_AT_NIGHT = 20_000
TAIL_LINES = 25
NO_TERMINAL_EVERY_S = 30.0


class Failure(Exception):
    """This command cannot go on; the message for the user is complete. ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


# --- running things ---------------------------------------------------------------------------------------------------


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the environment of child processes, without variables that point Python at other packages.

    PYTHONDONTWRITEBYTECODE is left out too: with it, Python and pytest compile every file again at each start.
    """
    hidden = {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE"}
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **extra}


class Progress:
    """One line that says what is going on and for how long; rewritten on a terminal, rare where there is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.start_s = time.monotonic()
        self.next_s = 1.0
        self.shown = False

    def elapsed_s(self) -> float:
        return time.monotonic() - self.start_s

    def tick(self) -> None:
        elapsed_s = self.elapsed_s()
        if elapsed_s < self.next_s:
            return
        if sys.stdout.isatty():
            print(f"\r{self.name} ... {elapsed_s:.0f} s ", end="", flush=True)
            self.next_s = elapsed_s + 1.0
        else:
            print(f"{self.name} ... {elapsed_s:.0f} s" if self.shown else f"{self.name} ...", flush=True)
            self.next_s = elapsed_s + NO_TERMINAL_EVERY_S
        self.shown = True

    def close(self) -> None:
        if self.shown and sys.stdout.isatty():
            print("\r" + " " * (len(self.name) + 20) + "\r", end="", flush=True)


def run_quietly(name: str, command: list[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command behind a progress line; its exit code and everything it wrote."""
    progress = Progress(name)
    with tempfile.TemporaryFile() as sink:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment or clean_environment(), stdout=sink, stderr=subprocess.STDOUT
        )
        code = None
        try:
            while code is None:
                try:
                    code = child.wait(timeout=0.1)
                except subprocess.TimeoutExpired:
                    progress.tick()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
            progress.close()
        sink.seek(0)
        return code, sink.read().decode(errors="replace")


def must_run(name: str, command: list[str], remedy: str, environment: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed; what it wrote. Raises Failure with its last lines and what to try."""
    code, output = run_quietly(name, command, environment)
    if code:
        tail = "\n".join("  " + line for line in output.rstrip().splitlines()[-TAIL_LINES:])
        raise Failure(f"{name}: failed with exit code {code}. Its last lines:\n{tail}\nWhat to try: {remedy}")
    return output


def run_openly(command: list[str], folder: Path | None = None, **variables: str) -> int:
    """Run a command whose own output is the point. Ctrl-C reaches it too, and it is given the time to end well."""
    sys.stdout.flush()
    interrupted = False
    with subprocess.Popen(command, cwd=folder or ROOT, env=clean_environment(**variables)) as child:
        while child.poll() is None:
            try:
                child.wait()
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return child.returncode


# --- the environment --------------------------------------------------------------------------------------------------


class Environment:
    """A virtual environment of this repository and the Python it is made from."""

    def __init__(self, folder: Path, python: str, version: str) -> None:
        """``python`` is the interpreter to make it from, ``version`` its full version, such as 3.12.1."""
        self.folder = folder
        self.base_python = python
        self.version = version
        self.scripts = folder / ("Scripts" if WINDOWS else "bin")
        self.stamp_file = folder / "tightloop-setup.stamp"

    @property
    def python(self) -> str:
        return str(self.scripts / ("python.exe" if WINDOWS else "python"))

    def script(self, name: str) -> str:
        return str(self.scripts / (name + ".exe" if WINDOWS else name))

    def stamp(self) -> tuple[str, str]:
        """What the environment was made of: (pins, Python, place), (the package's own definition)."""
        pins = (ROOT / "requirements.lock").read_bytes()
        identity = f"{self.version} {platform.machine()} {ROOT}".encode()
        package = (ROOT / "pyproject.toml").read_bytes()
        return hashlib.sha256(pins + identity).hexdigest(), hashlib.sha256(package).hexdigest()

    def stamp_found(self) -> tuple[str, str]:
        """The stamp of the last complete set-up; empty when there is none or its Python is gone."""
        if not self.stamp_file.is_file() or not Path(self.python).exists():
            return "", ""
        pins, _, package = self.stamp_file.read_text(encoding="ascii").strip().partition(" ")
        return pins, package


def probe(command: list[str]) -> tuple[str, str] | None:
    """(interpreter, full version) of a command that starts Python; None when it does not."""
    code = "import sys, platform; print(sys._base_executable or sys.executable); print(platform.python_version())"
    try:
        done = subprocess.run([*command, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return (lines[0], lines[1]) if done.returncode == 0 and len(lines) == 2 else None


def find_python(wanted: str) -> tuple[str, str]:
    """An installed interpreter of a version such as "3.12" and its full version."""
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
    """The environment for ``--python``, for the Python that runs this file, or for any supported one it can find."""
    if wanted:
        if wanted not in SUPPORTED:
            raise Failure(f"--python {wanted}: tightloop runs on {', '.join(SUPPORTED)}", code=2)
        return Environment(ROOT / f".venv-{wanted}", *find_python(wanted))
    running = "{}.{}".format(*sys.version_info[:2])
    if running in SUPPORTED:
        # Started from inside .venv, the interpreter to build with is the one .venv was made from.
        base = getattr(sys, "_base_executable", None) or sys.executable
        return Environment(ROOT / ".venv", base, platform.python_version())
    for version in reversed(SUPPORTED):
        try:
            return Environment(ROOT / ".venv", *find_python(version))
        except Failure:
            continue
    raise Failure(
        f"tightloop runs on Python {', '.join(SUPPORTED)}; this is {running} and no other was found. "
        "Install one of them and start this file with it"
    )


def make_environment(environment: Environment) -> None:
    """An empty environment with every pinned package, in place of whatever was there."""
    folder = environment.folder
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    must_run(
        f"making {folder.name} with Python {environment.version}",
        [environment.base_python, "-m", "venv", str(folder)],
        "on Debian and Ubuntu install the package python3-venv; elsewhere install Python with ensurepip",
    )
    (folder / ".gitignore").write_text("*\n", encoding="ascii")
    # The pip that comes with the oldest supported Python can do all that is asked here, so it is never upgraded.
    must_run(
        "installing packages",
        [environment.python, "-m", "pip", "install", "--disable-pip-version-check", "-r", "requirements.lock"],
        "look at the first error above; without a network, point pip at a folder of wheels (PIP_FIND_LINKS, "
        "PIP_NO_INDEX=1); behind a proxy set HTTPS_PROXY",
    )


def set_up(environment: Environment) -> None:
    """Bring the environment up to date. Does nothing when its stamp says that it is."""
    pins, package = environment.stamp()
    pins_found, package_found = environment.stamp_found()
    if (pins, package) == (pins_found, package_found):
        return
    if pins != pins_found:
        make_environment(environment)
    environment.stamp_file.unlink(missing_ok=True)
    install = [environment.python, "-m", "pip", "install", "--disable-pip-version-check"]
    must_run(
        "installing tightloop",
        [*install, "--no-deps", "--no-build-isolation", "--editable", "."],
        "delete the folder .venv and run this again",
    )
    workers = str(os.cpu_count() or 1)
    run_quietly(
        "compiling packages to byte code",
        [environment.python, "-m", "compileall", "-q", "-j", workers, str(environment.folder), str(ROOT / "src")],
    )  # its exit code says nothing: some packages carry files for other versions of Python
    environment.stamp_file.write_text(f"{pins} {package}\n", encoding="ascii")


# --- commands ---------------------------------------------------------------------------------------------------------


def refuse(name: str, arguments: list[str]) -> None:
    if arguments:
        raise Failure(f"{name} takes no arguments, not {' '.join(arguments)}", code=2)


def lint(environment: Environment) -> list[str]:
    """Run every check of style and structure; the names of those that failed."""
    checks: list[tuple[str, list[str]]] = [
        ("ruff check", [environment.script("ruff"), "check", "--quiet", "."]),
        ("ruff format", [environment.script("ruff"), "format", "--quiet", "--diff", "."]),
        ("mypy", [environment.script("mypy"), "--no-error-summary"]),
        ("import contracts", [environment.script("lint-imports")]),
        ("tidy", [environment.python, "tools/tidy.py"]),
    ]
    failed = []
    for name, command in checks:
        code, output = run_quietly(name, command)
        if code:
            failed.append(name)
            print(f"{name}: failed\n{output.rstrip()}\n", flush=True)
    return failed


def pytest_command(environment: Environment, *options: str) -> list[str]:
    """pytest on several workers. Neighbouring tests stay on one, which then makes what they share once."""
    workers = str(max(2, min(8, os.cpu_count() or 2)))
    return [environment.python, "-m", "pytest", "-n", workers, "--dist=worksteal", *options]


def warm_up(environment: Environment, **variables: str) -> bool:
    """Compile both halves of the core into the cache, in parallel; return whether both processes succeeded."""
    children = clean_environment(**variables)
    running = [
        subprocess.Popen([environment.python, "tools/warm_up.py", half], cwd=ROOT, env=children)
        for half in ("core", "indicators")
    ]
    codes = [process.wait() for process in running]
    return not any(codes)


def suite(environment: Environment, *options: str) -> list[str]:
    """Run lint, then the tests with these pytest options; return the names of the checks that failed."""
    failed = lint(environment)
    if not warm_up(environment):
        failed.append("compiling the core")
    if run_openly(pytest_command(environment, *options)):
        failed.append("pytest")
    return failed


def core_stamp(environment: Environment) -> str:
    """Return the hash of the code that the tests with bounds checks run."""
    return must_run("hashing", [environment.python, "tools/bounds_stamp.py", *BOUNDS_CHECKED], "read them").strip()


def is_bounds_checked(environment: Environment) -> bool:
    """Return whether the bounds-checked tests passed for exactly this core, here or in a commit."""
    file = ROOT / BOUNDS_STAMP
    return file.is_file() and file.read_text(encoding="ascii").strip() == core_stamp(environment)


def bounds_checked_pass(environment: Environment, *options: str) -> tuple[bool, str]:
    """Run the core's tests with every array index checked; return (all passed, summary text)."""
    stamp = core_stamp(environment)
    warm_up(environment, NUMBA_BOUNDSCHECK="1")
    command = pytest_command(environment, *options, "-q", *BOUNDS_CHECKED)
    code, output = run_quietly(BOUNDS_PASS, command, clean_environment(NUMBA_BOUNDSCHECK="1"))
    if code:
        print(f"{BOUNDS_PASS}: failed\n{output.rstrip()}\n", flush=True)
        return False, ""
    (ROOT / BOUNDS_STAMP).write_text(stamp + "\n", encoding="ascii")
    counts = re.findall(r"(\d+) passed", output)
    return True, f"{counts[-1] if counts else 0} of the core again with bounds checks, noted in {BOUNDS_STAMP}"


def command_lint(environment: Environment, arguments: list[str]) -> int:
    refuse("lint", arguments)
    failed = lint(environment)
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def closing(failed: list[str], done: str, start_s: float) -> int:
    """Print the one line that closes a command; its exit code."""
    elapsed_s = time.monotonic() - start_s
    if failed:
        print(f"Failed: {', '.join(failed)} ({elapsed_s:.0f} s in all).")
        return 1
    print(f"All passed: {done} ({elapsed_s:.0f} s in all).")
    return 0


def command_test(environment: Environment, arguments: list[str]) -> int:
    if arguments:
        return run_openly([environment.python, "-m", "pytest", *arguments])
    start_s = time.monotonic()
    failed = suite(environment, *AT_EVERY_CHANGE)
    told = f"the core is the one that passed with bounds checks ({BOUNDS_STAMP})"
    if not is_bounds_checked(environment):
        passed, told = bounds_checked_pass(environment)
        failed += [] if passed else [BOUNDS_PASS]
    return closing(failed, f"lint, the tests above, {told}", start_s)


def command_bounds(environment: Environment, arguments: list[str]) -> int:
    refuse("bounds", arguments)
    start_s = time.monotonic()
    passed, told = bounds_checked_pass(environment)
    return closing([] if passed else [BOUNDS_PASS], told, start_s)


def command_nightly(environment: Environment, arguments: list[str]) -> int:
    refuse("nightly", arguments)
    start_s = time.monotonic()
    failed = suite(environment, *AT_NIGHT)
    passed, told = bounds_checked_pass(environment, *BOUNDS_AT_NIGHT)
    failed += [] if passed else [BOUNDS_PASS]
    failed += ["fuzz"] if command_fuzz(environment, ["--count", str(FUZZED_AT_NIGHT)]) else []
    with tempfile.TemporaryDirectory() as folder:
        pictures = [environment.python, "tools/make_pictures.py", "--out", folder]
        failed += ["pictures"] if run_openly(pictures) else []
    for version in SUPPORTED:
        if not environment.version.startswith(f"{version}."):
            print(f"Python {version}:")
            if run_openly([sys.executable, str(ROOT / "dev.py"), "--python", version, "test"]):
                failed.append(f"Python {version}")
    return closing(failed, f"lint, the tests above, {told}, fuzz, pictures, every supported Python", start_s)


def backtest(environment: Environment, strategy: str, *options: str, out: str) -> bool:
    """One backtest on screen, which ends with where its report is; whether it ended well. Files go to ``out``."""
    code = run_openly([environment.script("tightloop"), "backtest", strategy, *options, "--out", out])
    print()
    return code == 0


def command_demo(environment: Environment, arguments: list[str]) -> int:
    refuse("demo", arguments)
    sample = Path(".data") / "sample"
    if not (ROOT / sample).exists():
        # Written beside its place and moved when complete: an interrupted demo leaves no half market behind.
        part = Path(".data") / "sample.part"
        shutil.rmtree(ROOT / part, ignore_errors=True)
        (ROOT / part.parent).mkdir(exist_ok=True)
        must_run(
            "making a sample market",
            [environment.script("tightloop"), "data", "sample", "--out", str(part)],
            "run `tightloop data sample --help`",
        )
        (ROOT / part).rename(ROOT / sample)
    passed = backtest(environment, "strategies/pump_1m.yaml", "--data", str(sample), out="runs/demo")
    if SHARED_DATA.is_dir():
        real = ("--instrument", "ftx:BTCUSD-perp", "--data", os.path.relpath(SHARED_DATA, ROOT))
        passed &= backtest(environment, "strategies/ema_cross.yaml", *real, out="runs/demo-real")
    return 0 if passed else 1


def must_exist(file: str) -> None:
    if not (ROOT / file).is_file():
        raise Failure(f"this tree has no {file}, so there is nothing to run", code=2)


def command_setup(_: Environment, arguments: list[str]) -> int:
    refuse("setup", arguments)
    return 0


def command_bench(environment: Environment, arguments: list[str]) -> int:
    must_exist("benches/run.py")
    return run_openly([environment.python, "benches/run.py", *arguments])


def command_reference(environment: Environment, arguments: list[str]) -> int:
    # The user's folder, because the arguments name files in it.
    return run_openly([environment.python, "-m", "tightloop.app.cli.reference", *arguments], folder=Path.cwd())


def command_fuzz(environment: Environment, arguments: list[str]) -> int:
    must_exist("tests/differential/fuzz.py")
    warm_up(environment)  # once, so that no two processes compile the same
    command = [environment.python, "-m", "differential.fuzz", *arguments]
    return run_openly(command, folder=Path.cwd(), PYTHONPATH=str(ROOT / "tests"))


COMMANDS = {
    "setup": command_setup,
    "demo": command_demo,
    "test": command_test,
    "bounds": command_bounds,
    "nightly": command_nightly,
    "lint": command_lint,
    "bench": command_bench,
    "reference": command_reference,
    "fuzz": command_fuzz,
}


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    wanted = None
    if arguments[:1] == ["--python"] and len(arguments) > 1:
        wanted, arguments = arguments[1], arguments[2:]
    name, *rest = arguments or ["--help"]
    if name == "test" and rest[:1] == ["--python"] and len(rest) > 1:  # the order people type
        wanted, rest = rest[1], rest[2:]
    if name in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if name not in COMMANDS:
        print(f"dev.py: {name}: unknown command; one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        environment = choose_environment(wanted)
        set_up(environment)
        return COMMANDS[name](environment, rest)
    except Failure as failure:
        print(f"dev.py: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to continue", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
