"""Files, as a journal needs them: preallocated, written at places, synced by request.

What is written survives the death of the process; what was synced survives the loss of power. Both are OSError when
they fail: ENOSPC for a full disk, EROFS for one that became read-only, EIO for a sync that failed.
"""

from typing import Protocol


class File(Protocol):
    """An open file of fixed size."""

    size: int

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at a place; they survive the death of the process once this returns."""

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from a place."""

    def sync(self) -> None:
        """Return when all that was written survives the loss of power."""

    def sync_behind(self) -> None:
        """Ask for a sync without waiting for it; a failure is raised by the next call of ``failure``."""

    def failure(self) -> OSError | None:
        """Return the error of a sync behind, None if none failed."""

    def close(self) -> None:
        """Release the file, without a sync."""


class Disk(Protocol):
    """A folder tree."""

    def create(self, path: str, size: int) -> File:
        """Make a file of ``size`` zero bytes, all of them allocated. FileExistsError if there is one."""

    def open(self, path: str) -> File:
        """Open an existing file for reading and writing. FileNotFoundError if there is none."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file. FileNotFoundError if there is none."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: under another name, synced, then renamed, so that a reader sees the old or the new."""

    def rename(self, path: str, to: str) -> None:
        """Give a file another name."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; an empty list if there is no such folder."""
