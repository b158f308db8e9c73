"""The image: machine code of the core as a file of the repository, mapped into the process without a compiler.

``native/index.json`` says for each platform which sources, flags and CPU the image was built for, and the sha256 of the
packed and the unpacked file. The image is unpacked once into the cache folder and checked at each load; what is damaged
or built for another CPU is not used, and ``unfit`` says why. Each function has the stamp of the files that its source
reaches: when one of them has changed, that function alone comes from the cache or the compiler.

Layout of the unpacked file: ``MAGIC``, the length of the header, the header (JSON: sizes, entries, external symbols),
the memory as it will lie (code, constants, variables, each from the start of a page), then two tables of 32-bit
offsets: words to which the base address is added, and words that take the address of an external symbol.

Pages are written first and made executable when nothing will write them any more; they are never both.
"""

import ctypes
import hashlib
import json
import lzma
import mmap
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tightloop.core.kinds import Signature
from tightloop.core.native import MachineCodeError, stamps
from tightloop.core.native.call import Entry, Places

MAGIC = b"TLIMAGE2"
FOLDER = "TIGHTLOOP_NATIVE"
"""Environment variable: another folder of images, or ``off``."""
PAGE = 4096
LEVELS = {
    "x86-64-v3": frozenset(("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")),
}
"""Flags of /proc/cpuinfo that a CPU level needs beyond x86-64-v2, which every CPU with AVX2 has."""
OTHER_CODE = {"NUMBA_BOUNDSCHECK": ("", "0"), "NUMBA_OPT": ("", "3")}
"""Variables with which other machine code is asked for than the image has, unless they have one of these values."""
SEALED = ("cpu", "file", "files", "packed_sha256", "reaches", "unpacked_sha256")
"""What of an image's facts ``seal`` holds together."""
CHANGED_NAMED_MAX = 3
_CPUINFO = Path("/proc/cpuinfo")
_PROTECTIONS = (mmap.PROT_READ | mmap.PROT_EXEC, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS if sys.platform != "win32" else 0


class Unfit(Exception):
    """The image of this platform cannot be used; the message says why, in words for the user."""


@dataclass(frozen=True)
class Loaded:
    """An image in memory: addresses of functions and entries by name, and the stamps of their sources."""

    functions: dict[str, Places]
    reaches: dict[str, tuple[str, ...]]
    hashes: dict[str, str]

    def fits(self, name: str) -> bool:
        """Tell whether a function is in the image and no source that it reaches has changed."""
        return name in self.functions and all(_is_unchanged(file, self.hashes[file]) for file in self.reaches[name])


def key() -> str:
    """Name this platform as in ``native/index.json``: ``x86_64-linux``."""
    return f"{platform.machine().lower()}-{platform.system().lower()}"


def folder() -> Path | None:
    """Return the folder of images: of the repository, or as the environment says; None if images are off."""
    named = os.environ.get(FOLDER)
    if named == "off":
        return None
    return Path(named) if named else stamps.CORE_DIR.parents[2] / "native"


@cache
def _is_unchanged(name: str, expected: str) -> bool:
    path = stamps.CORE_DIR / name
    return path.is_file() and stamps.content_hash(path) == expected


def _cpu_flags() -> frozenset[str]:
    """Return the features of this CPU as Linux names them; none if they are unknown."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def seal(facts: dict[str, Any]) -> str:
    """Hash what an index says of an image's sources together with the image it says it of.

    Two refreshed indexes that are merged line by line have the sources of both and the image of one: its machine code
    would run with the record layouts of the other.
    """
    told = {name: facts[name] for name in SEALED}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _checked(content: bytes, expected: str) -> bytes | None:
    return content if hashlib.sha256(content).hexdigest() == expected else None


def _unpacked(facts: dict[str, Any], packed: Path) -> bytes:
    """Return the checked content of an image, from the cache folder if it is there; raises Unfit."""
    kept = stamps.cache_dir() / f"{packed.name.removesuffix('.xz')}-{facts['unpacked_sha256'][:16]}"
    try:
        if content := _checked(kept.read_bytes(), facts["unpacked_sha256"]):
            return content
    except OSError:
        pass  # not unpacked yet, or no longer readable: the packed file is the source
    try:
        stored = packed.read_bytes()
    except OSError as error:
        raise Unfit(f"{packed} cannot be read ({error.strerror})") from None
    if _checked(stored, facts["packed_sha256"]) is None:
        raise Unfit(f"{packed} is damaged: its sha256 is not that of {packed.parent.name}/index.json")
    content = _checked(lzma.decompress(stored), facts["unpacked_sha256"])
    if content is None:
        raise Unfit(f"{packed} is not the file that {packed.parent.name}/index.json describes")
    _keep(kept, content)
    return content


def _keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a folder that cannot be written costs unpacking it again."""
    partly = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partly.write_bytes(content)
        partly.replace(path)
    except OSError:  # the content is used as it is
        with suppress(OSError):
            partly.unlink()


def _external(names: list[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the addresses of functions of the C library and of Python; raises Unfit if one does not exist here."""
    libraries = [ctypes.CDLL(None), ctypes.CDLL("libm.so.6")]
    found = []
    for name in names:
        library = next((library for library in libraries if hasattr(library, name)), None)
        if library is None:
            raise Unfit(f"the machine code calls {name}, which neither the C library nor Python has here")
        found.append(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)
    return np.array(found, np.uint64)


def _add(memory: np.ndarray[Any, np.dtype[np.uint8]], offsets: Any, values: Any) -> None:
    """Add values to the 64-bit words at offsets, which need not be aligned; raises IndexError if one lies outside."""
    places = offsets[:, None] + np.arange(8, dtype=np.uint32)
    words = memory[places].view("<u8")[:, 0] + values
    memory[places] = words[:, None].view(np.uint8)


def _mapped(content: bytes) -> tuple[int, dict[str, Any]]:
    """Bring an image into memory; return its base address and its header.

    Raises Unfit if there is no memory, MachineCodeError if the system forbids executable memory.
    """
    length = int.from_bytes(content[8:16], "little")
    header = json.loads(content[16 : 16 + length])
    start = 16 + length
    size = sum(header["pages"]) * PAGE
    if min(header["pages"]) < 0 or len(content) < start + size:
        raise ValueError("the memory is not in the file")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    base = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, _ANONYMOUS, -1, 0)
    if base in (None, ctypes.c_void_p(-1).value):
        raise Unfit(f"the system gives no {size} bytes of memory for it ({os.strerror(ctypes.get_errno())})")
    memory = np.frombuffer((ctypes.c_char * size).from_address(base), np.uint8)
    memory[:] = np.frombuffer(content, np.uint8, size, start)
    start += size
    relocated = np.frombuffer(content, "<u4", header["relocations"], start)
    start += relocated.nbytes
    external = np.frombuffer(content, "<u4", 2 * header["external_uses"], start).reshape(-1, 2)
    _add(memory, relocated, np.uint64(base))
    if len(external):
        _add(memory, external[:, 0], _external(header["externals"])[external[:, 1]])
    at = base
    for pages, protection in zip(header["pages"], _PROTECTIONS, strict=True):
        if pages and _protect(libc, at, pages * PAGE, protection):
            why = os.strerror(ctypes.get_errno())
            raise MachineCodeError(
                f"this system does not let memory be made executable ({why}), and compiled code needs that too: allow "
                "it (SELinux: execmem), or set NUMBA_DISABLE_JIT=1, which runs without machine code, far slower"
            )
        at += pages * PAGE
    return base, header


def _protect(libc: Any, address: int, size: int, protection: int) -> int:
    """Change the protection of pages; 0 if the system did it."""
    assert address % PAGE == 0, "whole pages are protected"
    assert size % PAGE == 0, "whole pages are protected"
    assert protection not in (mmap.PROT_WRITE | mmap.PROT_EXEC, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    return int(libc.mprotect(address, size, protection))


def _other_code() -> list[str]:
    """Return the variables that ask for other machine code than the image has."""
    return [name for name, as_here in OTHER_CODE.items() if os.environ.get(name, "") not in as_here]


def _load() -> Loaded | None:
    """Load the image of this platform; None where there is none. Raises Unfit."""
    where = folder()
    if where is None or _other_code():
        return None
    try:
        index = json.loads((where / "index.json").read_bytes())
        facts = index["images"].get(key())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise Unfit(f"{where / 'index.json'} cannot be read ({error})") from None
    if facts is None:
        return None
    try:
        return _loaded(where, facts)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError, OverflowError, lzma.LZMAError):
        raise Unfit(f"{where} holds an image of another layout than this version reads") from None


def _loaded(where: Path, facts: dict[str, Any]) -> Loaded:
    """Load the image that facts describe. Raises Unfit, or what reading facts of another form raises."""
    if seal(facts) != facts["seal"]:
        raise Unfit(f"{where / 'index.json'} is damaged or merged: its sources are not those of its image")
    if facts["cpu"] not in LEVELS:
        raise Unfit(f"{where / facts['file']} is for {facts['cpu']}, a CPU level that this version does not know")
    missing = LEVELS[facts["cpu"]] - _cpu_flags()
    if missing:
        raise Unfit(f"{where / facts['file']} is for {facts['cpu']}; this CPU lacks {', '.join(sorted(missing))}")
    content = _unpacked(facts, where / facts["file"])
    if not content.startswith(MAGIC):
        raise ValueError("another layout")
    base, header = _mapped(content)
    functions = {
        name: Places(*(base + offset if offset >= 0 else 0 for offset in offsets))
        for name, offsets in header["functions"].items()
    }
    files = list(facts["files"])
    reaches = {name: tuple(files[int(k)] for k in numbers.split()) for name, numbers in facts["reaches"].items()}
    if not all(reaches.get(name) for name in functions):
        raise ValueError("a function whose sources are not named would count as unchanged")
    return Loaded(functions, reaches, facts["files"])


_reasons: list[str] = []
_listeners: list[Callable[[str], None]] = []


def when_unfit(listener: Callable[[str], None]) -> None:
    """Call ``listener(reason)`` once if the image of this platform cannot be used, when that is found out."""
    if _reasons:
        listener(_reasons[0])
    else:
        _listeners.append(listener)


@cache
def loaded() -> Loaded | None:
    """Return the image of this platform, loaded at first use; None if there is none or it does not fit."""
    try:
        return _load()
    except Unfit as reason:
        _reasons.append(str(reason))
        while _listeners:
            _listeners.pop()(_reasons[0])
        return None


def unfit() -> str | None:
    """Return why the image is not used, for the user; None if it is used or there is none."""
    return _reasons[0] if _reasons else None


def absence() -> str:
    """Return why machine code is not taken from an image, for the user, to follow a "because"."""
    if reason := unfit():
        return reason
    if folder() is None:
        return f"images of machine code are off ({FOLDER}=off)"
    if asked := _other_code():
        return f"{asked[0]} asks for other machine code than the image has"
    image = loaded()
    if image is None:
        return f"there is no image of machine code for {key()}"
    changed = sorted(file for file, expected in image.hashes.items() if not _is_unchanged(file, expected))
    if not changed:
        return "the image of machine code does not have all that this needs"
    named = ", ".join(changed[:CHANGED_NAMED_MAX]) + (" ..." if len(changed) > CHANGED_NAMED_MAX else "")
    return f"sources of the core have changed since its image was made ({named})"


def holds(name: str) -> bool:
    """Tell whether the image has a function for its current sources."""
    image = loaded()
    return image is not None and image.fits(name)


def entry(name: str, signature: Signature, *, nogil: bool) -> Entry | None:
    """Return a function of the image; None if it has none for the current sources."""
    image = loaded()
    if image is None or not image.fits(name):
        return None
    return Entry(image.functions[name], signature, nogil=nogil)
