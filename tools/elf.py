"""Relocatable ELF64 objects as LLVM emits them for x86-64: sections, symbols, relocations. As in the System V ABI."""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
COMMON = 0xFFF2
"""Section number of variables without a section: their ``value`` is the alignment."""


class SectionKind(IntEnum):
    """``sh_type`` of the sections that are read."""

    SYMBOLS = 2
    RELOCATIONS = 4
    ZEROS = 8


class SectionFlag(IntFlag):
    """``sh_flags``."""

    WRITE = 1
    IN_MEMORY = 2
    EXECUTABLE = 4


class RelocationKind(IntEnum):
    """``ELF64_R_TYPE``: what is written at the place, with S the symbol, A the addend, P the place."""

    ABSOLUTE = 1
    """64 bits, S + A."""
    RELATIVE_32 = 2
    """32 bits, S + A - P."""
    CALL = 4
    """32 bits, S + A - P, to a function."""
    RELATIVE = 24
    """64 bits, S + A - P."""


@dataclass(frozen=True)
class Section:
    """A section; ``content`` is empty where only ``size`` zeros are described."""

    kind: int
    flags: int
    size: int
    link: int
    info: int
    alignment: int
    content: bytes
    name: str


@dataclass(frozen=True)
class Symbol:
    """A symbol: ``value`` is the offset in its section, or the alignment of a common variable."""

    name: str
    is_local: bool
    section: int
    value: int
    size: int


@dataclass(frozen=True)
class Relocation:
    """Asks for the address of ``symbol`` at ``offset`` of ``section``."""

    section: int
    offset: int
    kind: RelocationKind
    symbol: int
    addend: int


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


class Object:
    """One relocatable object."""

    def __init__(self, content: bytes) -> None:
        (table,) = struct.unpack_from("<Q", content, 0x28)
        count, names = struct.unpack_from("<HH", content, 0x3C)
        raw = [_SECTION.unpack_from(content, table + _SECTION.size * k) for k in range(count)]
        strings = content[raw[names][4] : raw[names][4] + raw[names][5]]
        self.sections = [
            Section(
                kind, flags, size, link, info, max(alignment, 1),
                b"" if kind == SectionKind.ZEROS else content[offset : offset + size], _text(strings, name),
            )
            for name, kind, flags, _, offset, size, link, info, alignment, _ in raw
        ]  # fmt: skip
        self.symbols: list[Symbol] = []
        for section in self.sections:
            if section.kind == SectionKind.SYMBOLS:
                texts = self.sections[section.link].content
                self.symbols = [
                    Symbol(_text(texts, name), info >> 4 == 0, where, value, size)
                    for name, info, _, where, value, size in _SYMBOL.iter_unpack(section.content)
                ]

    def relocations(self) -> list[Relocation]:
        """List the relocations of all sections that lie in memory."""
        return [
            Relocation(section.info, offset, RelocationKind(info & 0xFFFFFFFF), info >> 32, addend)
            for section in self.sections
            if section.kind == SectionKind.RELOCATIONS
            for offset, info, addend in _RELOCATION.iter_unpack(section.content)
            if is_loaded(self.sections[section.info])
        ]


def is_loaded(section: Section) -> bool:
    """Tell whether a section is needed in memory; tables for unwinding are not, as machine code raises nothing."""
    return bool(section.flags & SectionFlag.IN_MEMORY) and section.name != ".eh_frame"
