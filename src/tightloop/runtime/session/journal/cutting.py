"""Moving a broken tail out of a journal, so that it can go on.

What is moved stays beside the journal under a name that ends in ``.tail``; bytes are moved, never thrown away. A crash
on the way leaves a journal that is sound or has the same tail again.
"""

from dataclasses import asdict, dataclass
from typing import Any

from tightloop.ports.disk import Disk, File
from tightloop.runtime.session.journal.layout import JournalCorrupt, segment_name
from tightloop.runtime.session.journal.scan import FaultKind, JournalScan, segment_numbers


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut: the first place that was not sound and why, how many bytes were moved, into which files."""

    file: str
    offset: int
    text: str
    byte_count: int
    moved_to: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as a record CUT has it."""
        return asdict(self)


def cut_tail(disk: Disk, folder: str, scan: JournalScan, file: File) -> Cut | None:
    """Move what follows the last sound record into files of its own; None if nothing does.

    ``file``: the segment in which the scan has ended. The caller writes the record CUT and syncs. Raises
    JournalCorrupt for what may not be cut.
    """
    fault = scan.fault
    if fault is None:
        return None
    if fault.kind is FaultKind.CORRUPT:
        raise JournalCorrupt(fault.file, fault.offset, fault.text)
    assert scan.header is not None
    count, moved = 0, []
    tail = file.read(scan.offset, file.size - scan.offset).rstrip(b"\0")
    if tail:
        name = _free_name(disk, folder, scan.header.number)
        disk.replace(f"{folder}/{name}", tail)
        count, moved = len(tail), [name]
    # From the last one down: a segment that is missing before another is corruption.
    for number in reversed(segment_numbers(disk, folder)):
        if number > scan.header.number:
            count += _move_segment(disk, folder, number, moved)
    if tail:
        file.write(scan.offset, bytes(len(tail)))
    return Cut(fault.file, fault.offset, fault.text, count, tuple(moved))


def _move_segment(disk: Disk, folder: str, number: int, moved: list[str]) -> int:
    """Move a whole segment, or remove it if it was only prepared; return the bytes in it that are not 0."""
    path = f"{folder}/{segment_name(number)}"
    count = len(disk.read(path).rstrip(b"\0"))
    if not count:
        disk.remove(path)
        return 0
    name = _free_name(disk, folder, number)
    disk.rename(path, f"{folder}/{name}")
    moved.insert(0, name)
    return count


def _free_name(disk: Disk, folder: str, number: int) -> str:
    """Return a name for a tail that no file has: 000007.tail, 000007.2.tail ..."""
    names = set(disk.names(folder))
    stem = segment_name(number).removesuffix(".tlj")
    return next(name for name in (f"{stem}.tail", *(f"{stem}.{k}.tail" for k in range(2, 10_000))) if name not in names)
