"""Build the image of machine code: every compiled function of the core, in one fixed order, as one file.

`python tools/native_image.py FOLDER` writes `<platform>.img.xz` and `index.json` into FOLDER; with `--check` it builds
the image again and compares the unpacked bytes with those of FOLDER. `python3 dev.py native` calls it with an empty
cache, the oldest supported Python and the CPU level fixed: with the same sources and the same compiler the bytes are
the same, whatever the folder, the user, the time zone or the hash seed.

How it is done. numba compiles each function to a relocatable object, without the wrappers by which Python calls it.
One more object has the ways into each function from Python (`native_entries.py`).
The objects are laid out as code, constants and variables; references between them become offsets, those that need the
final address become a table. The layout of the file is described in `core/native/image.py`.
"""

import argparse
import hashlib
import importlib
import json
import lzma
import os
import pkgutil
import platform
import struct
import sys
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding as llvm

from elf import COMMON, Object, RelocationKind, SectionFlag, is_loaded
from native_entries import module_of_entries
from tightloop.core import compiled
from tightloop.core.native import compiler, image, stamps

ROOT = Path(__file__).resolve().parents[1]
LEVEL = "x86-64-v3"
ABSENT = -1
ENVIRONMENT = {"NUMBA_CPU_NAME": LEVEL, "NUMBA_CPU_FEATURES": "", "TIGHTLOOP_NATIVE": "off"}


class Linked:
    """Objects laid out in one memory: code, constants, variables, each from the start of a page."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.places: dict[tuple[int, int], int] = {}
        self.pages: list[int] = []
        self.size = 0
        self.symbols: dict[str, int] = {}
        for region in range(3):
            self._lay_out(region)
        self.memory = bytearray(self.size)
        self.relocated: list[int] = []
        self.externals: dict[str, int] = {}
        self.external_uses: list[tuple[int, int]] = []
        for number, linked in enumerate(objects):
            self._write(number, linked)

    def _lay_out(self, region: int) -> None:
        """Give the sections of a region their places: 0 code, 1 constants, 2 variables and zeros."""
        start = self.size
        for number, found in enumerate(self.objects):
            for k, section in enumerate(found.sections):
                if is_loaded(section) and _region(section.flags) == region:
                    self._align(section.alignment)
                    self.places[number, k] = self.size
                    self.size += section.size
        if region == 2:
            self._lay_out_common()
        for number, found in enumerate(self.objects):
            for symbol in found.symbols:
                place = self.places.get((number, symbol.section))
                if place is not None and not symbol.is_local:
                    self.symbols.setdefault(symbol.name, place + symbol.value)
        self._align(image.PAGE)
        self.pages.append((self.size - start) // image.PAGE)

    def _lay_out_common(self) -> None:
        """Give variables without a section a place; numba's environments are never read without its wrappers."""
        for found in self.objects:
            for symbol in found.symbols:
                if symbol.section == COMMON and symbol.name not in self.symbols:
                    self._align(max(symbol.value, 16))
                    self.symbols[symbol.name] = self.size
                    self.size += max(symbol.size, 8)

    def _align(self, to: int) -> None:
        self.size = -(-self.size // to) * to

    def _write(self, number: int, found: Object) -> None:
        for k, section in enumerate(found.sections):
            if (number, k) in self.places and section.content:
                place = self.places[number, k]
                self.memory[place : place + section.size] = section.content
        for relocation in found.relocations():
            symbol = found.symbols[relocation.symbol]
            at = self.places[number, relocation.section] + relocation.offset
            if not symbol.is_local and symbol.name in self.symbols:
                target = self.symbols[symbol.name]
            elif (number, symbol.section) in self.places:
                target = self.places[number, symbol.section] + symbol.value
            else:
                self._use_external(symbol.name, relocation.kind, at, relocation.addend)
                continue
            self._relocate(relocation.kind, at, target + relocation.addend)

    def _relocate(self, kind: RelocationKind, at: int, value: int) -> None:
        if kind == RelocationKind.ABSOLUTE:
            struct.pack_into("<q", self.memory, at, value)
            self.relocated.append(at)
        elif kind == RelocationKind.RELATIVE:
            struct.pack_into("<q", self.memory, at, value - at)
        else:
            struct.pack_into("<i", self.memory, at, value - at)

    def _use_external(self, name: str, kind: RelocationKind, at: int, addend: int) -> None:
        if kind != RelocationKind.ABSOLUTE:
            raise SystemExit(f"the symbol {name} of a library is used by a short jump, which no image can place")
        struct.pack_into("<q", self.memory, at, addend)
        self.external_uses.append((at, self.externals.setdefault(name, len(self.externals))))


def _region(flags: int) -> int:
    if flags & SectionFlag.EXECUTABLE:
        return 0
    return 2 if flags & SectionFlag.WRITE else 1


def _import_core() -> None:
    """Import every module of the core, in the order of names."""
    core = importlib.import_module("tightloop.core")
    for found in sorted(pkgutil.walk_packages(core.__path__, "tightloop.core."), key=lambda module: module.name):
        if not found.name.startswith("tightloop.core.native"):
            importlib.import_module(found.name)


def _compiled_entries(context: Any, functions: list[tuple[str, bool, Any]]) -> bytes:
    """Compile the module of entries for the machine that numba compiles for."""
    module = llvm.parse_assembly(str(module_of_entries(context, functions)))
    module.verify()
    content: bytes = context.codegen()._tm.emit_object(module)
    return content


def built() -> tuple[bytes, dict[str, Any]]:
    """Compile and link; return the unpacked content and what ``index.json`` says of it."""
    compiler._OPTIONS.update(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    _import_core()
    functions = sorted(compiled.functions().items(), key=_order)
    results = []
    for number, (name, function) in enumerate(functions):
        print(f"{number + 1} of {len(functions)}: {name}", file=sys.stderr, flush=True)
        dispatcher = function.dispatcher
        results.append((name, function, dispatcher.overloads[dispatcher.signatures[0]]))
    context = results[0][2].target_context
    objects = [Object(result.library._get_compiled_object()) for _, _, result in results]
    objects.append(
        Object(_compiled_entries(context, [(name, function.nogil, result) for name, function, result in results]))
    )
    linked = Linked(objects)
    header = {
        "pages": linked.pages,
        "relocations": len(linked.relocated),
        "externals": list(linked.externals),
        "external_uses": len(linked.external_uses),
        "functions": {
            name: [
                linked.symbols.get(symbol, ABSENT)
                for symbol in (
                    result.fndesc.llvm_func_name,
                    f"tightloop_entry_{number}",
                    f"tightloop_call_{number}",
                    f"tightloop_kinds_{number}",
                )
            ]
            for number, (name, _, result) in enumerate(results)
        },
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-(16 + len(text)) % 16)
    tables = struct.pack(f"<{len(linked.relocated)}I", *linked.relocated)
    tables += b"".join(struct.pack("<II", *use) for use in linked.external_uses)
    content = image.MAGIC + struct.pack("<Q", len(text)) + text + bytes(linked.memory) + tables
    reached = {name: stamps.reached(Path(function.py_func.__code__.co_filename)) for name, function, _ in results}
    files = sorted({file for found in reached.values() for file in found})
    numbers = {file: k for k, file in enumerate(files)}
    facts = {
        "file": f"{image.key()}.img.xz",
        "cpu": LEVEL,
        "flags": {"error_model": compiler.ERROR_MODEL, "optimisation": str(numba.config.OPT)},
        "python": platform.python_version(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "unpacked_bytes": len(content),
        "unpacked_sha256": hashlib.sha256(content).hexdigest(),
        "externals": list(linked.externals),
        "files": {stamps.name_of(file): stamps.content_hash(file) for file in files},
        "reaches": {name: " ".join(str(numbers[file]) for file in found) for name, found in reached.items()},
    }
    return content, facts


def _order(named: tuple[str, Any]) -> tuple[int, str]:
    """Compile the step first, because others link it; then all in the order of names."""
    first = ("tightloop.core.step.step", "tightloop.core.carry.apply.apply")
    return (first.index(named[0]) if named[0] in first else len(first), named[0])


def write(folder: Path, content: bytes, facts: dict[str, Any]) -> None:
    """Write the packed image and its entry in ``index.json``; images of other platforms stay."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    facts |= {"packed_bytes": len(packed), "packed_sha256": hashlib.sha256(packed).hexdigest()}
    facts["seal"] = image.seal(facts)
    (folder / facts["file"]).write_bytes(packed)
    index = folder / "index.json"
    known = json.loads(index.read_bytes()) if index.is_file() else {"images": {}}
    known["images"][image.key()] = facts
    index.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    print(f"{folder / facts['file']}: {len(facts['reaches'])} functions, {len(content)} bytes, {len(packed)} packed")


def check(folder: Path, content: bytes, built_facts: dict[str, Any]) -> int:
    """Compare the unpacked bytes and what is said of them with the image in ``folder``; 0 if they are equal."""
    facts = json.loads((folder / "index.json").read_bytes())["images"][image.key()]
    stored = lzma.decompress((folder / facts["file"]).read_bytes())
    told = [name for name in ("files", "reaches", "cpu", "flags") if facts[name] != built_facts[name]]
    if stored == content and told:
        print(f"{folder / 'index.json'}: the image is as built here, but not what is said of its {', '.join(told)}")
        return 1
    if stored == content:
        print(f"{folder / facts['file']}: {len(content)} bytes, as built here")
        return 0
    differ = [k for k, (a, b) in enumerate(zip(stored, content, strict=False)) if a != b]
    first = differ[0] if differ else min(len(stored), len(content))
    print(f"{folder / facts['file']}: {len(stored)} bytes, built here {len(content)}; first difference at {first}")
    return 1


def main(arguments: list[str]) -> int:
    """Build the image and write or compare it; 1 if it differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "native")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(arguments)
    for name, value in ENVIRONMENT.items():
        if os.environ.get(name) != value:
            parser.error(f"{name}={value} must be set before numba is imported: use `python3 dev.py native`")
    content, facts = built()
    if options.check:
        return check(options.folder, content, facts)
    write(options.folder, content, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
