"""The Disk port over a folder of this machine.

Files are mapped into memory. A write is a copy into the page cache: it survives the death of the process at once, and
costs no system call. Files are made of written zeros, not of holes, so that no write can meet a full disk; a page that
cannot be written back shows up as a failed sync.

On Linux, ``fdatasync`` writes what was changed through the mapping; elsewhere the mapping is flushed first, and macOS
is asked for F_FULLFSYNC, without which its disks keep writes in a cache of their own. Syncs behind and files prepared
ahead have a thread each. After a sync has failed the kernel may hold pages as clean that are not on the disk, so a file
that failed once fails for ever.
"""

import contextlib
import errno
import mmap
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import filelock

if sys.platform == "darwin":
    import fcntl
if sys.platform != "win32":
    import resource

BLOCK_BYTES = 1 << 20
_ZEROS = bytes(BLOCK_BYTES)
_IS_LINUX = sys.platform.startswith("linux")


class LocalDisk:
    """A folder; paths are relative to it. Makes the folders that a new file needs."""

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root)
        self._prepared: dict[str, Future[None]] = {}
        self._syncs = ThreadPoolExecutor(1, "journal-sync")
        self._makes = ThreadPoolExecutor(1, "journal-prepare")

    def create(self, path: str, size: int) -> "MappedFile":
        """Make a file of zeros, as the port says."""
        prepared = self._prepared.pop(path, None)
        if prepared is None:
            self._make(path, size)
        else:
            prepared.result()
            if (self._root / path).stat().st_size < size:
                self.remove(path)
                self._make(path, size)
        return self.open(path)

    def prepare(self, path: str, size: int) -> None:
        """Begin to make a file of zeros on a thread; nothing if it was begun already."""
        if path not in self._prepared:
            self._prepared[path] = self._makes.submit(self._make, path, size)

    def check_room(self, folder: str, size: int) -> None:
        """Ask the file system for what is free, and the system for the largest file of this process."""
        place = self._root / folder
        if sys.platform == "win32":
            if shutil.disk_usage(place).free < size:
                raise _trouble(errno.ENOSPC, place)
            return
        found = os.statvfs(place)
        if found.f_flag & os.ST_RDONLY:
            raise _trouble(errno.EROFS, place)
        if found.f_bavail * found.f_frsize < size:
            raise _trouble(errno.ENOSPC, place)
        most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if most != resource.RLIM_INFINITY and most < size:
            raise _trouble(errno.EFBIG, place)

    def open(self, path: str) -> "MappedFile":
        """Map a file; one that may not be written is mapped for reading."""
        return MappedFile(self._root / path, self._syncs)

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return (self._root / path).read_bytes()

    def replace(self, path: str, data: bytes) -> None:
        """Write a whole file; a reader sees the old one or the new one, also after a loss of power."""
        place = self._root / path
        self._make_folders(place.parent)
        fresh = place.with_name(place.name + ".tmp")
        with _removed_on_failure(fresh), fresh.open("wb") as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())
        fresh.replace(place)
        _sync_folder(place.parent)

    def rename(self, path: str, to: str) -> None:
        """Give a file another name."""
        (self._root / path).replace(self._root / to)
        _sync_folder((self._root / path).parent)
        _sync_folder((self._root / to).parent)

    def remove(self, path: str) -> None:
        """Remove a file."""
        (self._root / path).unlink()

    def lock(self, path: str) -> filelock.BaseFileLock:
        """Take a lock of the operating system on a file."""
        place = self._root / path
        self._make_folders(place.parent)
        lock = filelock.FileLock(place)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process holds it", str(place)) from None
        return lock

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, without those of files that are being made."""
        place = self._root / folder
        if not place.is_dir():
            return []
        return sorted(one.name for one in place.iterdir() if one.suffix != ".tmp")

    def _make(self, path: str, size: int) -> None:
        """Write zeros under another name, sync, rename, and sync the folder: a name is never that of half a file."""
        place = self._root / path
        if place.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
        self._make_folders(place.parent)
        fresh = place.with_name(place.name + ".tmp")
        with _removed_on_failure(fresh), fresh.open("wb", buffering=0) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is told before a byte is written
            for begin in range(0, size, BLOCK_BYTES):
                _write_all(file.fileno(), _ZEROS[: min(BLOCK_BYTES, size - begin)])
            _sync(file.fileno())
        fresh.replace(place)
        _sync_folder(place.parent)

    def _make_folders(self, folder: Path) -> None:
        """Make the folders of a file, for the user alone, each synced into the one above."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(one.parent)


class MappedFile:
    """A file of fixed size, mapped into memory."""

    def __init__(self, path: Path, syncs: ThreadPoolExecutor) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            self._is_writable = True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            self._is_writable = False
        self.size = os.fstat(self._fd).st_size
        self.synced_end = 0
        access = mmap.ACCESS_WRITE if self._is_writable else mmap.ACCESS_READ
        self._map = mmap.mmap(self._fd, self.size, access=access) if self.size else None
        self._syncs = syncs
        self._behind: Future[None] | None = None
        self._is_asked = False
        self._written_end = 0
        self._failure: OSError | None = None

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes into the page cache."""
        end = offset + len(data)
        if not self._is_writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        assert 0 <= offset <= end <= self.size, f"[{offset}, {end}) is not in a file of {self.size} bytes"
        if self._map is not None:
            self._map[offset:end] = data
        self._written_end = end

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes of the mapping."""
        return b"" if self._map is None else self._map[offset : offset + count]

    def sync(self) -> None:
        """Return when all that was written is on the disk."""
        if self._behind is not None:
            self._behind.result()  # a sync behind keeps its error for `failure`
        self._sync_now()
        if self._failure is not None:
            raise self._failure

    def sync_behind(self) -> None:
        """Ask the thread for a sync; one that has not begun yet serves for all that asked."""
        if not self._is_asked:
            self._is_asked = True
            self._behind = self._syncs.submit(self._sync_now)

    def failure(self) -> OSError | None:
        """Return the first error of a sync."""
        return self._failure

    def close(self) -> None:
        """Release mapping and file, after a sync that is under way."""
        if self._behind is not None:
            self._behind.result()
        if self._map is not None:
            self._map.close()
        os.close(self._fd)

    def _sync_now(self) -> None:
        self._is_asked = False  # before the place is read: a write after it asks again
        end = self._written_end
        try:
            if not _IS_LINUX and self._map is not None and self._is_writable:
                self._map.flush()
            if self._is_writable:
                _sync(self._fd)
        except OSError as error:
            if self._failure is None:
                self._failure = error
        if self._failure is None:
            self.synced_end = end


def _trouble(number: int, place: Path) -> OSError:
    return OSError(number, os.strerror(number), str(place))


def _sync(fd: int) -> None:
    """Return when the bytes of a file are on the disk."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif _IS_LINUX:
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk; Windows does this by itself and opens no folders."""
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, block: bytes) -> None:
    """Write a block; a file system may take less than it was given."""
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """Remove a file that could not be finished."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
