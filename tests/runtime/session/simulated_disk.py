"""A Disk in memory that loses what a disk may lose.

The death of a process (``kill``) loses nothing that was written. A loss of power (``lose_power``) loses, of each file,
what was written since its last sync: all after some write, with that write torn at a sector (``"prefix"``), or any
sectors, each of them old or new (``"sectors"``). New files, ``replace`` and ``rename`` are durable when they return, as
the port says; a ``remove`` may be undone. Both make every open file useless: a new life opens anew.

Faults: ``capacity`` (ENOSPC), ``is_readonly`` (EROFS), ``fail_syncs`` (EIO of the next syncs), ``stop_at`` (at the n-th
operation from now the process dies, or power goes: raises Stopped; of a write the part ``torn`` is done). Nothing here
reads a clock or draws by itself: what is random comes from the ``random.Random`` that is given.
"""

import errno
import os
from dataclasses import dataclass, field

SECTOR_BYTES = 512


class Stopped(SystemExit):
    """The process has died at an operation of the disk. Not an Exception: no handler of an error may go on.

    asyncio lets a SystemExit out of tasks and callbacks at once.
    """


@dataclass
class Content:
    """Bytes of a file: as a process sees them, and as they were at the last sync, with the writes since."""

    seen: bytearray
    synced: bytearray
    writes: list = field(default_factory=list)


class SimulatedDisk:
    """The Disk port."""

    def __init__(self, capacity=None):
        self.files = {}
        self.removed = {}
        self.capacity = capacity
        self.is_readonly = False
        self.fail_syncs = 0
        self.stop_at = None
        self.operation_count = 0
        self.sync_count = 0
        self.behind = []  # files with a sync behind that has not run; `run_behind` runs them
        self.is_behind_at_once = True
        self.prepared = {}
        self.locks = set()
        self.torn = 0.0
        self.life = 0
        self.has_stopped = False

    # The port

    def create(self, path, size):
        error = self.prepared.pop(path, None)
        if error is not None:
            if isinstance(error, OSError):
                raise error
            if len(self.files[path].seen) >= size:
                return self.open(path)
            del self.files[path]
        self._operate()
        self._make(path, size)
        return self.open(path)

    def prepare(self, path, size):
        self._operate()
        if path in self.prepared:
            return
        try:
            self._make(path, size)
            self.prepared[path] = True
        except OSError as error:
            self.prepared[path] = error

    def check_room(self, folder, size):
        self._check_room(size)

    def open(self, path):
        return SimulatedFile(self, self._content(path), self.life)

    def read(self, path):
        return bytes(self._content(path).seen)

    def replace(self, path, data):
        self._operate()
        self._check_room(len(data) - (len(self.files[path].seen) if path in self.files else 0))
        self.files[path] = Content(bytearray(data), bytearray(data))

    def rename(self, path, to):
        self._operate()
        self._check_room(0)
        self.files[to] = self._content(path)
        del self.files[path]

    def remove(self, path):
        self._operate()
        self._check_room(0)
        self.removed[path] = self._content(path)
        del self.files[path]

    def lock(self, path):
        if path in self.locks:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process holds it", path)
        self.locks.add(path)
        return SimulatedLock(self, path, self.life)

    def names(self, folder):
        inside = (path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/"))
        return sorted({name.partition("/")[0] for name in inside})

    # What happens to it

    def kill(self):
        """The process dies: what was written stays, open files are gone, syncs behind are forgotten."""
        self._begin_life()

    def lose_power(self, rng, how="prefix"):
        """Lose some of what was not synced."""
        for path, content in sorted(self.files.items()):
            lost = _prefix_kept(content, rng) if how == "prefix" else _sectors_kept(content, rng)
            self.files[path] = Content(lost, bytearray(lost))
        for path, content in sorted(self.removed.items()):
            if path not in self.files and rng.random() < 0.5:
                self.files[path] = Content(content.synced, bytearray(content.synced))
        self._begin_life()

    def copied(self):
        """Return a sound disk with a copy of the files."""
        found = SimulatedDisk()
        for path, content in self.files.items():
            found.files[path] = Content(bytearray(content.seen), bytearray(content.seen))
        return found

    def run_behind(self):
        """Run the syncs behind that were asked for."""
        asked, self.behind = self.behind, []
        for file in asked:
            file._sync_now()

    def flip(self, path, bit):
        """Change one bit of a file, on the disk and as it is seen."""
        content = self.files[path]
        for raw in (content.seen, content.synced):
            raw[bit // 8] ^= 1 << bit % 8

    def truncate(self, path, size):
        """Cut a file short."""
        content = self.files[path]
        del content.seen[size:], content.synced[size:]

    def used(self):
        """Bytes of all files."""
        return sum(len(content.seen) for content in self.files.values())

    def _begin_life(self):
        self.life += 1
        self.has_stopped = False
        self.behind.clear()
        self.prepared.clear()
        self.locks.clear()
        self.removed.clear()
        self.stop_at = None
        self.fail_syncs = 0

    def _operate(self, file=None):
        if file is not None and file.life != self.life:
            raise Stopped("a file of a process that has died")
        if self.stop_at is not None:
            if self.stop_at <= 0:
                self.has_stopped = True
                raise Stopped("the process dies here")
            self.stop_at -= 1
        self.operation_count += 1

    def _make(self, path, size):
        if path in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._check_room(size)
        self.files[path] = Content(bytearray(size), bytearray(size))

    def _check_room(self, count):
        if self.is_readonly:
            raise _error(errno.EROFS)
        if self.capacity is not None and self.used() + count > self.capacity:
            raise _error(errno.ENOSPC)

    def _content(self, path):
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.files[path]


@dataclass
class SimulatedLock:
    """The Lock port."""

    disk: SimulatedDisk
    path: str
    life: int

    def release(self):
        if self.life == self.disk.life:
            self.disk.locks.discard(self.path)


class SimulatedFile:
    """The File port."""

    def __init__(self, disk, content, life):
        self._disk = disk
        self._content = content
        self._failure = None
        self._written_end = 0
        self.life = life
        self.size = len(content.seen)
        self.synced_end = 0

    def write(self, offset, data):
        end = offset + len(data)
        assert 0 <= offset <= end <= self.size, (offset, end, self.size)
        try:
            self._disk._operate(self)
        except Stopped:
            torn = bytes(data[: int(len(data) * self._disk.torn)]) if self.life == self._disk.life else b""
            self._content.seen[offset : offset + len(torn)] = torn
            self._content.writes.append((offset, torn))
            raise
        self._content.seen[offset:end] = data
        self._content.writes.append((offset, bytes(data)))
        self._written_end = end

    def read(self, offset, count):
        return bytes(self._content.seen[offset : offset + count])

    def sync(self):
        self._disk._operate(self)
        self._sync_now()
        if self._failure is not None:
            raise self._failure

    def sync_behind(self):
        self._disk._operate(self)
        if self._disk.is_behind_at_once:
            self._sync_now()
        elif self not in self._disk.behind:
            self._disk.behind.append(self)

    def failure(self):
        return self._failure

    def close(self):
        pass

    def _sync_now(self):
        if self._failure is not None:
            return
        if self._disk.is_readonly or self._disk.fail_syncs:
            self._disk.fail_syncs = max(0, self._disk.fail_syncs - 1)
            self._failure = _error(errno.EROFS if self._disk.is_readonly else errno.EIO)
            return
        self._disk.sync_count += 1
        for offset, data in self._content.writes:
            self._content.synced[offset : offset + len(data)] = data
        self._content.writes.clear()
        self.synced_end = self._written_end


def _prefix_kept(content, rng):
    """The synced bytes and some first writes since, the last of them torn at a sector."""
    kept = bytearray(content.synced)
    count = rng.randint(0, len(content.writes))
    for offset, data in content.writes[:count]:
        kept[offset : offset + len(data)] = data
    if count < len(content.writes):
        offset, data = content.writes[count]
        sectors = (offset + len(data)) // SECTOR_BYTES - offset // SECTOR_BYTES
        end = min((offset // SECTOR_BYTES + rng.randint(0, sectors)) * SECTOR_BYTES, offset + len(data))
        if end > offset:
            kept[offset:end] = data[: end - offset]
    return kept


def _sectors_kept(content, rng):
    """The synced bytes with any of the sectors that were written since, as they were when the disk took them."""
    kept = bytearray(content.synced)
    so_far = bytearray(content.synced)
    for offset, data in content.writes:
        so_far[offset : offset + len(data)] = data
        for sector in range(offset // SECTOR_BYTES, (offset + len(data) - 1) // SECTOR_BYTES + 1):
            if rng.random() < 0.5:
                begin = sector * SECTOR_BYTES
                kept[begin : begin + SECTOR_BYTES] = so_far[begin : begin + SECTOR_BYTES]
    return kept


def _error(number):
    return OSError(number, os.strerror(number))
