"""The machine: Python, machine code of the core, open files, and the disk that a home folder is on."""

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tightloop.app.runs.doctor.findings import Diagnosis, ok, problem, warning
from tightloop.core.native import image

if sys.platform != "win32":
    import resource

TRIED = ((3, 11), (3, 13))
"""The first and the last version of Python that the tests run on."""
OPEN_FILES_MIN, OPEN_FILES_ENOUGH = 256, 1_024
SYNC_COUNT, SYNC_BYTES = 20, 4_096
SYNC_SLOW_S, SYNC_STALL_S = 0.020, 0.5
FREE_MIN_BYTES, FREE_ENOUGH_BYTES = 2**30, 10 * 2**30
NETWORK_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
MEMORY_SYSTEMS = ("tmpfs", "ramfs")
_MOUNTS = Path("/proc/self/mounts")
_MS = 1e3


def look(home: Path) -> Iterator[Diagnosis]:
    """Look at what every session needs."""
    yield python(sys.version_info[:2])
    yield machine_code()
    if sys.platform != "win32":
        yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    place = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    yield file_system(system_of(place, _MOUNTS.read_text() if _MOUNTS.exists() else ""), place)
    yield space(shutil.disk_usage(place).free, place)
    yield syncs(place)


def python(version: tuple[int, int]) -> Diagnosis:
    """Judge the version of Python."""
    text = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()} {platform.system()}"
    first, last = (".".join(map(str, one)) for one in TRIED)
    if not TRIED[0] <= version <= TRIED[1]:
        return warning("python", f"{text} is none of {first} to {last}", f"use a Python from {first} to {last}")
    return ok("python", text)


def machine_code() -> Diagnosis:
    """Judge whether the core runs from the image of the repository, or has to be compiled first."""
    found, has_compiler = image.loaded(), importlib.util.find_spec("numba") is not None
    if found is not None and all(found.fits(name) for name in found.functions):
        return ok("machine code", f"from the image of {image.key()}: {len(found.functions)} functions")
    if not has_compiler:
        remedy = "run `python3 dev.py setup`, or install tightloop[compile]"
        return problem("machine code", f"{image.absence()}, and the compiler is not installed", remedy)
    return warning("machine code", image.absence(), "nothing is wrong: what is missing is compiled once, for minutes")


def open_files(count_max: int) -> Diagnosis:
    """Judge how many files a process may open."""
    if count_max < OPEN_FILES_MIN:
        remedy = f"`ulimit -n {OPEN_FILES_ENOUGH}` before the session"
        return problem("open files", f"{count_max} a process", remedy, count_max=count_max)
    if count_max < OPEN_FILES_ENOUGH:
        remedy = f"`ulimit -n {OPEN_FILES_ENOUGH}` for sessions on many instruments"
        return warning("open files", f"{count_max} a process", remedy, count_max=count_max)
    return ok("open files", f"{count_max:,} a process", count_max=count_max)


def system_of(place: Path, mounts: str) -> str:
    """Return which file system a folder is on, as Linux names it in ``mounts``; "" if that is not told."""
    found, kind = -1, ""
    whole = str(place.resolve())
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        is_above = whole == point or whole.startswith(f"{point.rstrip('/')}/")
        if is_above and len(point) >= found:
            found, kind = len(point), parts[2]
    return kind


def file_system(kind: str, place: Path) -> Diagnosis:
    """Judge a file system: locks and mapped files hold on local ones alone."""
    if kind in NETWORK_SYSTEMS:
        text = f"{place} is on {kind}, where neither locks nor mapped files can be relied on"
        return problem("file system", text, "name a --home on a disk of this machine")
    if kind in MEMORY_SYSTEMS:
        return warning("file system", f"{place} is on {kind}: all is lost with power", "name a --home on a disk")
    return ok("file system", kind or "not told on this system")


def space(free_bytes: int, place: Path) -> Diagnosis:
    """Judge how much is free."""
    text = f"{free_bytes / 2**30:,.1f} GiB free in {place}"
    if free_bytes < FREE_MIN_BYTES:
        return problem("space", text, "make room: a full disk ends entries", free_bytes=free_bytes)
    if free_bytes < FREE_ENOUGH_BYTES:
        remedy = "make room: a market of 1,000 prints a second takes 4 GB a day"
        return warning("space", text, remedy, free_bytes=free_bytes)
    return ok("space", text, free_bytes=free_bytes)


def syncs(place: Path) -> Diagnosis:
    """Measure how long a write takes until it lasts, by writing a small file that is removed again."""
    try:
        took_s = _sync_times(place)
    except OSError as error:
        reason = error.strerror or str(error)
        return problem("disk", f"{place} cannot be written: {reason}", "name a --home that may be written to")
    return judged_syncs(took_s)


def judged_syncs(took_s: list[float]) -> Diagnosis:
    """Judge how long syncs took: a session that waits for the disk sends its entries later by this."""
    middle_s, worst_s = median(took_s), max(took_s)
    text = f"a synced write takes {middle_s * _MS:.1f} ms, at worst {worst_s * _MS:.1f} ms of {len(took_s)}"
    figures = {"sync_p50_s": middle_s, "sync_max_s": worst_s}
    if middle_s > SYNC_SLOW_S or worst_s > SYNC_STALL_S:
        remedy = "use a faster disk for --home: what is lost with power is what was written in that time"
        return warning("disk", text, remedy, **figures)
    return ok("disk", text, **figures)


def _sync_times(place: Path) -> list[float]:
    took_s = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-") as file:
        for _ in range(SYNC_COUNT):
            begun = time.perf_counter()
            file.write(bytes(SYNC_BYTES))
            file.flush()
            if sys.platform.startswith("linux"):
                os.fdatasync(file.fileno())
            else:
                os.fsync(file.fileno())
            took_s.append(time.perf_counter() - begun)
    return took_s
