"""The import contracts of pyproject.toml must be able to break: a planted package breaks each of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
PACKAGE = PYPROJECT.parent / "src" / "tightloop"
EMPTY = ["app/api", "adapters/venues"]
"""Packages to come that have a fence already."""

VIOLATIONS = {
    "Dependencies point inward": ("core/step.py", "import tightloop.model.errors"),
    "Adapters know ports and model": ("adapters/venues/one.py", "import tightloop.core.step"),
    "Two adapters never import each other": ("adapters/venues/one.py", "import tightloop.adapters.data.files"),
    "No cycles between siblings": ("core/trading/orders.py", "import tightloop.core.step"),
    "Inside the core": ("core/trading/orders.py", "import tightloop.core.carry"),
    "Inside the model": ("model/errors.py", "import tightloop.model.files"),
    "Inside the runtime": ("runtime/feeds/bars.py", "import tightloop.runtime.results"),
    "Inside the app": ("app/text/numbers.py", "import tightloop.app.report"),
    "numba only in core.native.compiler": ("runtime/backtest/one_by_one/loop.py", "import numba"),
    "ccxt only in adapters.venues": ("adapters/data/files.py", "import ccxt"),
    "web3 only in adapters.chains": ("adapters/venues/one.py", "import web3"),
    "fastapi only in app.api": ("app/cli/main.py", "import fastapi"),
    "The API asks and starts engines": ("app/api/server.py", "import tightloop.core.step"),
    "Clients of language models": ("app/cli/main.py", "import openai"),
    "Tables and files": ("runtime/backtest/one_by_one/loop.py", "import polars"),
    "The core knows numpy, numba and plain Python": ("core/step.py", "import logging"),
}

ALLOWED = {
    "core/trading/orders.py": "import numpy, tightloop.core.log",
    "core/native/image.py": "import json",
    "core/native/compiler.py": "import llvmlite, numba",
    "core/venue/matching.py": "",
    "core/domain/types.py": "",
    "core/step.py": "import tightloop.core.trading.orders",
    "runtime/feeds/bars.py": "",
    "app/text/numbers.py": "",
    "model/errors.py": "import tightloop.core.domain.types",
    "ports.py": "import tightloop.model.errors",
    "runtime/backtest/one_by_one/loop.py": "import tightloop.ports, tightloop.core.step",
    "adapters/venues/_shared.py": "",
    "adapters/venues/one.py": "import ccxt, tightloop.ports, tightloop.adapters.venues._shared",
    "adapters/venues/simulated.py": "import tightloop.core.venue.matching",
    "adapters/data/files.py": "import polars, pyarrow, tightloop.core.domain.types",
    "app/cli/main.py": "import polars, tightloop.runtime.backtest.one_by_one.loop, tightloop.adapters.data.files",
    "app/api/server.py": "import fastapi",
}


def verdicts(folder: Path, extra: dict[str, str]) -> dict[str, bool]:
    """Contract by contract: whether it is kept, in a package of the allowed files and the extra lines."""
    package = folder / "src" / "tightloop"
    rooms = [
        path.relative_to(PACKAGE) for pattern in ("*.py", "*/*.py", "*/*/__init__.py") for path in PACKAGE.glob(pattern)
    ]
    for path in [*rooms, *(Path(name) / "__init__.py" for name in EMPTY)]:
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).touch()
    for path, text in ALLOWED.items():
        folder_of = (package / path).parent
        folder_of.mkdir(exist_ok=True)
        (folder_of / "__init__.py").touch()
        (package / path).write_text(f"{text}\n{extra.get(path, '')}\n", encoding="utf-8")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    done = subprocess.run(
        [*command, "--config", str(PYPROJECT), "--no-cache"],
        cwd=folder / "src",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
    )
    lines = [line for line in done.stdout.splitlines() if " KEPT" in line or " BROKEN" in line]
    assert lines, done.stdout + done.stderr
    return {line: " KEPT" in line for line in lines}


def test_what_the_architecture_allows_is_kept(tmp_path):
    kept = verdicts(tmp_path, {})
    assert len(kept) == len(VIOLATIONS)
    assert all(kept.values()), kept


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_import_breaks_its_contract(tmp_path, contract):
    path, line = VIOLATIONS[contract]
    broken = [name for name, kept in verdicts(tmp_path, {path: line}).items() if not kept]
    assert any(name.startswith(contract) for name in broken), broken
