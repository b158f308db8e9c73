"""Ask whether the image of machine code serves this tree on this machine, before anything is installed.

`core/native/image.py` decides the same when a run begins, function by function; this decides for all of the core
whether the compiler has to be installed. Standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path

CORE = Path("src") / "tightloop" / "core"
LEVELS = {"x86-64-v3": frozenset(("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"))}
"""As in core/native/image.py, which cannot be imported before numpy is there."""
OTHER_CODE = {"NUMBA_BOUNDSCHECK": ("", "0"), "NUMBA_OPT": ("", "3")}
SEALED = ("cpu", "file", "files", "packed_sha256", "reaches", "unpacked_sha256")
CPUINFO = Path("/proc/cpuinfo")


def _hash(path: Path) -> str:
    """Hash the content of a file; the empty text if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _cpu_flags() -> set[str]:
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def misfit(root: Path) -> str | None:
    """Return why functions of the core have to be compiled here; None when the image has them all."""
    named = os.environ.get("TIGHTLOOP_NATIVE")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return None  # all runs as plain Python
    if named == "off":
        return "TIGHTLOOP_NATIVE is off"
    asked = [name for name, as_here in OTHER_CODE.items() if os.environ.get(name, "") not in as_here]
    if asked:
        return f"{asked[0]} asks for other machine code"
    folder = Path(named) if named else root / "native"
    try:
        images = json.loads((folder / "index.json").read_bytes())["images"]
        facts = images.get(f"{platform.machine().lower()}-{platform.system().lower()}")
        return "there is no machine code for this platform" if facts is None else _misfit_of(root, folder, facts)
    except FileNotFoundError:
        return f"{folder.name}/index.json is not there"
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"{folder.name}/index.json cannot be read"


def _misfit_of(root: Path, folder: Path, facts: dict[str, object]) -> str | None:
    """Compare what an image was built for with the CPU and the tree; None when they are equal."""
    told = json.dumps({name: facts[name] for name in SEALED}, sort_keys=True).encode()
    if facts["seal"] != hashlib.sha256(told).hexdigest():
        return f"{folder.name}/index.json is damaged or merged"
    if facts["cpu"] not in LEVELS:
        return f"the machine code is for {facts['cpu']}, which is not known"
    missing = LEVELS[str(facts["cpu"])] - _cpu_flags()
    if missing:
        return f"this CPU lacks {', '.join(sorted(missing))}"
    if _hash(folder / str(facts["file"])) != facts["packed_sha256"]:
        return f"{folder.name}/{facts['file']} is missing or damaged"
    files = facts["files"]
    assert isinstance(files, dict), "an image names the files it was compiled from"
    core = root / CORE
    changed = [name for name, expected in files.items() if _hash(core / name) != expected]
    if changed:
        return f"{changed[0]} of the core is not as it was when the machine code was built"
    for path in sorted(core.rglob("*.py")):
        name = path.relative_to(core).as_posix()
        if name not in files and b"\n@compiled(" in path.read_bytes():
            return f"{name} of the core is new"
    return None
