"""The developer's commands, with nothing but Python installed: `python3 dev.py COMMAND`.

    setup              make .venv with the versions of requirements.lock and this package, editable
    demo               what a run needs, a sample market, one backtest on it and where the report is; then half a
                       minute of paper trading on a sandbox, and what it did and why
    test [ARG ...]     setup, lint, the tests, those of a changed core with bounds checks, an image against the
                       compiler; with ARGs: only pytest ARG ...
    bounds             the core's tests with bounds checks, whether it has changed or not
    nightly            checks too slow for every change: fresh examples, peers, bounds, fuzz, crashes, pictures, other
                       Pythons
    ui [--check | --watch]    build the pages; check their types, style and tests; or serve them from their sources
    lint               ruff, mypy --strict, import contracts, tools/tidy.py
    bench [ARG ...]    benches/run.py: numbers with the machine they were measured on
    native [--check]   write the image of machine code in native/; with --check: build it and compare the bytes
    reference [ARG ...]    the reference strategies: figure, expected, difference
    fuzz [--count N] [--seed S]    random strategies, product against a plain simulator: each difference a small case
    sim [--seeds N] [--from S] [--again] [--planted]    live sessions in a simulated world: faults and crashes by seed
    crash [--times N] [--durability power] [--cut-tail] [--from SEED]    a live session on the sandbox, killed at random
                       moments, also while it recovers: nothing may be lost, doubled or invented

`--python 3.12` before the command uses another installed Python, in an environment of its own.

Each command installs what it needs and lacks, and says each step of that with its seconds. Successful steps after that
are silent; a long one shows its name and the seconds so far. Exit codes: 0 done, 1 something is wrong, 2 bad input, 130
interrupted. Standard library only; Linux, macOS and Windows.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

import image_fits
import pages
from environment import (
    ALL,
    COMPILE,
    NIGHT,
    RUN,
    SUPPORTED,
    Environment,
    choose_environment,
    set_up,
    write_byte_code_behind,
)
from running import ROOT, WINDOWS, Failure, clean_environment, must_run, run_openly, run_quietly

SHARED_DATA = ROOT.parent / "shared" / "data"
BOUNDS_CHECKED = ("tests/core", "tests/parity", "tests/sim")
NOT_OF_INDICES = ("tests/core/native", "tests/sim/live")  # the image itself; what other tests reach in the core, slowly
NOT_FETCHED = "TIGHTLOOP_PAGES_NOT_FETCHED"
"""Tells the tests in a browser why there are no pages."""
BOUNDS_STAMP = "tests/bounds_checked.txt"
BOUNDS_PASS = "pytest with bounds checks"
PAPER_STRATEGY = "strategies/live/first_paper.yaml"
PAPER_S = 30
HOME_BYTES_MAX = 75
"""Of a path of a home folder, so that sockets can be in it on every system."""
NATIVE_STAMP = "tests/native_checked.txt"
NATIVE_PASS = "the image against code compiled here"
GOLDEN = "tests/parity/test_same_bytes.py"
AT_EVERY_CHANGE = ("-m", "not (peers or bounds or nightly)")
AT_NIGHT = ("-m", "not bounds", "--hypothesis-profile=fresh")
BOUNDS_AT_NIGHT = ("--hypothesis-profile=fresh",)
FUZZED_AT_NIGHT = 20_000
SIMULATED_AT_NIGHT = 10_000
CRASHED_AT_NIGHT = 200
CRASHES = ((), ("--durability", "power"), ("--cut-tail",))
NATIVE = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "TIGHTLOOP_NATIVE": "off"}
"""What tools/native_image.py wants set, so that the bytes do not depend on who builds them."""


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


def worker_count() -> str:
    """How many processes work at once where they can, as an option says it."""
    return str(max(2, min(8, os.cpu_count() or 2)))


def pytest_command(environment: Environment, *options: str) -> list[str]:
    """pytest on several workers. Neighbouring tests stay on one, which then makes what they share once."""
    return [environment.python, "-m", "pytest", "-n", worker_count(), "--dist=worksteal", *options]


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
    ignored = (f"--ignore={folder}" for folder in NOT_OF_INDICES)
    command = pytest_command(environment, *options, "-q", *ignored, *BOUNDS_CHECKED)
    code, output = run_quietly(BOUNDS_PASS, command, clean_environment(NUMBA_BOUNDSCHECK="1"))
    if code:
        print(f"{BOUNDS_PASS}: failed\n{output.rstrip()}\n", flush=True)
        return False, ""
    (ROOT / BOUNDS_STAMP).write_text(stamp + "\n", encoding="ascii")
    counts = re.findall(r"(\d+) passed", output)
    return True, f"{counts[-1] if counts else 0} of the core again with bounds checks, noted in {BOUNDS_STAMP}"


def image_pass(environment: Environment, *, always: bool) -> tuple[bool, str]:
    """Compare the image with what the compiler makes of this tree: its bytes, and the results of compiled code.

    Returns whether they are equal, and a summary. An image that was compared before (a stamp by content, as for bounds
    checks) is compared again with ``always``; one that does not fit this tree is no fault, and said.
    """
    why = image_fits.misfit(ROOT)
    if why:
        return True, f"no image for this tree ({why}; `dev.py native` renews it), so all was compiled"
    index = json.loads((ROOT / "native" / "index.json").read_bytes())
    stamp = " ".join(sorted(facts["unpacked_sha256"] for facts in index["images"].values()))
    file = ROOT / NATIVE_STAMP
    if not always and file.is_file() and file.read_text(encoding="ascii").strip() == stamp:
        return True, f"the image is the one that was compared ({NATIVE_STAMP})"
    is_builder = environment.version.startswith(f"{SUPPORTED[0]}.")
    if is_builder and command_native(environment, ["--check"]):
        return False, ""
    warm_up(environment, TIGHTLOOP_NATIVE="off")
    command = pytest_command(environment, "-q", GOLDEN)
    code, output = run_quietly(NATIVE_PASS, command, clean_environment(TIGHTLOOP_NATIVE="off"))
    if code:
        print(f"{NATIVE_PASS}: failed\n{output.rstrip()}\n", flush=True)
        return False, ""
    if is_builder:
        file.write_text(stamp + "\n", encoding="ascii")
    return True, "golden results again on code compiled here" + (", the image byte by byte" if is_builder else "")


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
    failed = pages_pass(environment)
    failed += suite(environment, *AT_EVERY_CHANGE)
    told = f"the core is the one that passed with bounds checks ({BOUNDS_STAMP})"
    if not is_bounds_checked(environment):
        passed, told = bounds_checked_pass(environment)
        failed += [] if passed else [BOUNDS_PASS]
    passed, of_image = image_pass(environment, always=bool(os.environ.get("CI")))
    failed += [] if passed else [NATIVE_PASS]
    return closing(failed, f"lint, the tests above, {told}, {of_image}", start_s)


def pages_pass(environment: Environment) -> list[str]:
    """Build and check the pages; return the names of what failed. Without their packages that is said, and no fault."""
    try:
        pages.build(environment)
        return pages.check(environment)
    except pages.NotFetched as failure:
        os.environ[NOT_FETCHED] = "1"
        print(f"The pages are not checked here: {failure}", flush=True)
        return []
    except Failure as failure:
        print(failure, flush=True)
        return ["building the pages"]


def command_ui(environment: Environment, arguments: list[str]) -> int:
    """Build the pages, check them, or serve them while somebody works on them."""
    if arguments == ["--watch"]:
        return pages.watch(environment)
    if arguments not in ([], ["--check"]):
        raise Failure(f"ui takes --check, --watch or nothing, not {' '.join(arguments)}", code=2)
    start_s = time.monotonic()
    if arguments:
        return closing(pages.check(environment), "types, style and tests of the pages", start_s)
    done = "built" if pages.build(environment) else "built already"
    print(f"The pages are {done}: {pages.BUILT} ({time.monotonic() - start_s:.0f} s)")
    return 0


def command_bounds(environment: Environment, arguments: list[str]) -> int:
    refuse("bounds", arguments)
    start_s = time.monotonic()
    passed, told = bounds_checked_pass(environment)
    return closing([] if passed else [BOUNDS_PASS], told, start_s)


def command_nightly(environment: Environment, arguments: list[str]) -> int:
    refuse("nightly", arguments)
    start_s = time.monotonic()
    workers = ["--workers", worker_count()]
    failed = suite(environment, *AT_NIGHT)
    passed, told = bounds_checked_pass(environment, *BOUNDS_AT_NIGHT)
    failed += [] if passed else [BOUNDS_PASS]
    failed += [] if image_pass(environment, always=True)[0] else [NATIVE_PASS]
    failed += ["fuzz"] if command_fuzz(environment, ["--count", str(FUZZED_AT_NIGHT)]) else []
    failed += ["simulation"] if command_sim(environment, ["--seeds", str(SIMULATED_AT_NIGHT), *workers]) else []
    failed += ["planted bugs"] if command_sim(environment, ["--planted", *workers]) else []
    for number, options in enumerate(CRASHES):
        first = str(1_000 * number + 1)
        crashed = command_crash(environment, ["--times", str(CRASHED_AT_NIGHT), "--from", first, *options])
        failed += [" ".join(("crash", *options))] if crashed else []
    decoders = [environment.python, "-m", "tests.adapters.venues.fuzz_decoders"]
    failed += ["decoders"] if run_openly(decoders) else []
    with tempfile.TemporaryDirectory() as folder:
        pictures = [environment.python, "tools/make_pictures.py", "--out", folder]
        failed += ["pictures"] if run_openly(pictures) else []
    for version in SUPPORTED:
        if not environment.version.startswith(f"{version}."):
            print(f"Python {version}:")
            if run_openly([sys.executable, str(ROOT / "dev.py"), "--python", version, "test"], CI="true"):
                failed.append(f"Python {version}")
    return closing(
        failed, f"lint, the tests above, {told}, fuzz, simulation, crash, decoders, pictures, every Python", start_s
    )


def backtest(environment: Environment, strategy: str, *options: str, out: str) -> bool:
    """One backtest on screen, which ends with where its report is; whether it ended well. Files go to ``out``."""
    code = run_openly([environment.script("tightloop"), "backtest", strategy, *options, "--out", out])
    print()
    return code == 0


def make_sample(environment: Environment, sample: Path, line: str) -> None:
    """Make the sample market; beside its place, and moved when complete: an interruption leaves no half market."""
    part = Path(".data") / "sample.part"
    shutil.rmtree(ROOT / part, ignore_errors=True)
    (ROOT / part.parent).mkdir(exist_ok=True)
    command = [environment.script("tightloop"), "data", "sample", "--out", str(part)]
    must_run(line, command, "run `tightloop data sample --help`")
    (ROOT / part).rename(ROOT / sample)


def paper_session(environment: Environment) -> bool:
    """A paper session on a sandbox of its own at a free port, what it did and why; whether all went well."""
    if WINDOWS:
        return True  # sessions do not run there
    tightloop = environment.script("tightloop")
    home = ROOT / ".data" / "demo-home"
    made = "" if len(os.fsencode(home)) <= HOME_BYTES_MAX else tempfile.mkdtemp(prefix="tightloop-demo-")
    where = made or os.path.relpath(home, ROOT)
    print(f"Now {PAPER_S} s of paper trading, on an exchange that is played here, ten times as fast:", flush=True)
    command = [tightloop, "sandbox", "--venue", "binance-usdm", "--port", "0", "--speed", "10", "--for", "10m"]
    with subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True) as twin:
        try:
            assert twin.stdout is not None
            url = next((found[0] for line in twin.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line))), "")
            options = ["--venue", "binance-usdm", "--url", url, "--home", where, "--for", f"{PAPER_S}s"]
            run = [tightloop, "paper", PAPER_STRATEGY, *options, "--on-exit", "flatten"]
            told = [tightloop, "session", "why", "last", "--home", where, "--last", "3"]
            passed = bool(url) and run_openly(run) == 0 and run_openly(told) == 0
            if passed and not made:
                show = " ".join([os.path.relpath(tightloop, ROOT), "session", "show", "last", "--home", where])
                print(f"\nAll of it: {show}\nA session of your own: docs/live/paper.md")
            return passed
        finally:
            twin.terminate()
            if made:
                shutil.rmtree(made, ignore_errors=True)


def command_demo(environment: Environment, arguments: list[str]) -> int:
    """Go from nothing to a report with no more than that needs; what can wait is done while the user reads it."""
    refuse("demo", arguments)
    sample = Path(".data") / "sample"
    runs = [("strategies/pump_1m.yaml", ["--data", str(sample)], "runs/demo")]
    if SHARED_DATA.is_dir():
        real = ["--instrument", "ftx:BTCUSD-perp", "--data", os.path.relpath(SHARED_DATA, ROOT)]
        runs.append(("strategies/ema_cross.yaml", real, "runs/demo-real"))
    has_sample = (ROOT / sample).exists()
    why = image_fits.misfit(ROOT)
    if why:
        print(f"The core is compiled here, which takes a minute or more once: {why}.", flush=True)
    following = len(runs) + (not has_sample)
    steps = set_up(environment, COMPILE if why else RUN, following=following, is_hurried=True)
    if not has_sample:
        line = steps.begin("making a sample market")
        make_sample(environment, sample, line)
        steps.end(line)
    passed = True
    for strategy, options, out in runs:
        line = steps.begin(f"a backtest of {strategy}")
        if steps.total > len(runs):
            print(line, flush=True)
        passed &= backtest(environment, strategy, *options, out=out)
    write_byte_code_behind(environment)
    passed &= paper_session(environment)
    return 0 if passed else 1


def command_native(environment: Environment, arguments: list[str]) -> int:
    """Build the image of machine code in an empty cache, or compare it; the bytes depend on nothing that is here."""
    if arguments not in ([], ["--check"]):
        raise Failure(f"native takes --check or nothing, not {' '.join(arguments)}", code=2)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Failure("the image is built on Linux with an x86_64 processor", code=2)
    if not environment.version.startswith(f"{SUPPORTED[0]}."):
        raise Failure(f"the image is built by Python {SUPPORTED[0]}, the oldest that reads it", code=2)
    others = {name: None for name in os.environ if name.startswith("NUMBA_")}
    with tempfile.TemporaryDirectory() as cache:
        variables: dict[str, str | None] = {**others, **NATIVE, "NUMBA_CACHE_DIR": cache}
        return run_openly([environment.python, "tools/native_image.py", *arguments], None, **variables)


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


def command_sim(environment: Environment, arguments: list[str]) -> int:
    must_exist("tests/sim/live/simulate.py")
    warm_up(environment)  # once, so that what is measured is the simulation
    command = [environment.python, "-m", "sim.live.simulate", *arguments]
    return run_openly(command, PYTHONPATH=os.pathsep.join(str(ROOT / name) for name in ("", "tests", "tools")))


def command_crash(environment: Environment, arguments: list[str]) -> int:
    must_exist("tests/crash/crash.py")
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return run_openly([environment.python, "-m", "crash.crash", *arguments], folder=Path.cwd(), PYTHONPATH=path)


COMMANDS = {
    "setup": command_setup,
    "demo": command_demo,
    "test": command_test,
    "ui": command_ui,
    "bounds": command_bounds,
    "nightly": command_nightly,
    "lint": command_lint,
    "bench": command_bench,
    "native": command_native,
    "reference": command_reference,
    "fuzz": command_fuzz,
    "sim": command_sim,
    "crash": command_crash,
}
SECTIONS = {
    "ui": RUN,
    "lint": (*COMPILE, "web", "lint"),
    "bench": COMPILE,
    "native": COMPILE,
    "nightly": NIGHT,
}
"""The sections of requirements.lock a command needs, if not all of them."""


def sections_of(name: str) -> tuple[str, ...]:
    """Return what is installed before a command begins; the demo sees to that itself."""
    if name == "reference":
        return COMPILE if image_fits.misfit(ROOT) else RUN
    return SECTIONS.get(name, ALL)


def python_of(name: str, wanted: str | None) -> str | None:
    """Return which Python to ask for: the image is built by the oldest, whichever runs this file."""
    is_oldest = "{}.{}".format(*sys.version_info[:2]) == SUPPORTED[0]
    return SUPPORTED[0] if name == "native" and wanted is None and not is_oldest else wanted


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
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
        environment = choose_environment(python_of(name, wanted))
        if name != "demo":
            set_up(environment, sections_of(name))
        return COMMANDS[name](environment, rest)
    except Failure as failure:
        print(f"dev.py: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to continue", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
