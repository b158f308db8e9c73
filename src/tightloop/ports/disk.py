"""Files, as a journal needs them: preallocated, written at places, synced by request.

What is written survives the death of the process; what was synced survives the loss of power. Both are OSError when
they fail: ENOSPC for a full disk, EROFS for one that became read-only, EIO for a sync that failed.
"""

from typing import Protocol


class File(Protocol):
    """An open file of fixed size."""

    size: int
    synced_end: int
    """Up to where all that was written is known to be synced: the end of the last write before the last sync that
    succeeded, as this object knows it; 0: no sync yet. A writer that goes on from place to place reads it."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at a place; they survive the death of the process once this returns."""

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from a place."""

    def sync(self) -> None:
        """Return when all that was written survives the loss of power. After a failure every sync fails."""

    def sync_behind(self) -> None:
        """Ask for a sync without waiting for it; a failure is raised by the next call of ``failure``."""

    def failure(self) -> OSError | None:
        """Return the error of a sync behind, None if none failed."""

    def close(self) -> None:
        """Release the file, without a sync."""


class Lock(Protocol):
    """A lock that is held; the death of its process frees it."""

    def release(self) -> None:
        """Free it; harmless when it is free."""


class Disk(Protocol):
    """A folder tree."""

    def create(self, path: str, size: int) -> File:
        """Make a file of ``size`` zero bytes, all of them allocated. FileExistsError if there is one.

        The file and its name survive the loss of power. What ``prepare`` began is waited for and taken.
        """

    def prepare(self, path: str, size: int) -> None:
        """Begin to make such a file without waiting for it; ``create`` returns it, or raises what went wrong."""

    def check_room(self, folder: str, size: int) -> None:
        """Raise OSError if a file of ``size`` bytes could not be made in a folder now: ENOSPC, EROFS, EFBIG.

        It writes nothing, and is no promise: others write, too.
        """

    def open(self, path: str) -> File:
        """Open an existing file for reading and writing. FileNotFoundError if there is none."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file. FileNotFoundError if there is none."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: under another name, synced, then renamed, so that a reader sees the old or the new."""

    def rename(self, path: str, to: str) -> None:
        """Give a file another name, which survives the loss of power."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def lock(self, path: str) -> Lock:
        """Take a lock, a file of that name. BlockingIOError if another holds it."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; an empty list if there is no such folder."""
