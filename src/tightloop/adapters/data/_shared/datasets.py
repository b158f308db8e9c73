"""Finds the datasets of a catalog folder by their paths alone."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId

KIND_DEPTHS = {
    "bars": 2, "trades": 2, "quotes": 2, "books": 2, "funding": 2, "lending": 2,
    "staking": 1, "gas": 1, "rewards": 1, "benchmark": 1,
}  # fmt: skip
"""Top-level folders, and the number of path levels that name a dataset in each."""

NEAREST_MAX = 8
DATASETS_MAX = 100_000
RULES_FILE = "instruments.yaml"
"""File beside the folders, with the trading rules of the instruments."""
RECORDING_FILE = "recording.yaml"
"""Of a catalog that a session exported: which session it was."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A Parquet file, or a folder of part files.

    ``path``: relative to the root, with slashes. ``venue``: exchange, protocol or ''. ``name``: the last part without
    ``.parquet``. ``instrument``, ``timeframe``: None where the name does not tell.
    """

    root: Path
    path: str
    kind: str
    venue: str
    name: str
    files: tuple[Path, ...]
    instrument: InstrumentId | None = None
    timeframe: str | None = None


def discover(root: Path) -> tuple[Dataset, ...]:
    """Return every dataset below ``root``, sorted by path. Raises InputError if the folder does not exist."""
    if not root.is_dir():
        remedy = "give the folder of a catalog with --data, or make one with `tightloop data sample`"
        raise InputError.one(root, None, "--data", "there is no such folder", remedy)
    datasets = [dataset for kind, depth in KIND_DEPTHS.items() for dataset in _of_kind(root, kind, depth)]
    assert len(datasets) <= DATASETS_MAX, "a catalog this large needs an index"
    return tuple(sorted(datasets, key=lambda dataset: dataset.path))


def _of_kind(root: Path, kind: str, depth: int) -> Iterator[Dataset]:
    folders = [(root / kind, "")]
    if depth == 2:
        folders = [(path, path.name) for path in _children(root / kind) if path.is_dir()]
    for folder, venue in folders:
        for path in _children(folder):
            files = _part_files(path)
            if files:
                yield _dataset(root, kind, venue, path, files)


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _part_files(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        parts = [part for part in path.rglob("*.parquet") if not part.name.startswith((".", "_"))]
        return tuple(sorted(parts, key=_counted))
    return (path,) if path.suffix == ".parquet" else ()


def _counted(part: Path) -> tuple[str, ...]:
    """Return a sort key with numbers compared as numbers: part-2 before part-10."""
    return tuple(piece.zfill(20) if piece.isdigit() else piece for piece in re.split(r"(\d+)", part.as_posix()))


def _dataset(root: Path, kind: str, venue: str, path: Path, files: tuple[Path, ...]) -> Dataset:
    name = path.name.removesuffix(".parquet")
    relative = path.relative_to(root).as_posix()
    stem, timeframe = name, None
    if kind == "bars":
        stem, _, last = name.rpartition("-")
        timeframe = last if last in TIMEFRAMES else None
    instrument = None
    if kind in ("bars", "trades", "quotes", "books"):
        try:
            instrument = InstrumentId.parse(f"{venue}:{stem}")
        except ValueError:
            pass  # the quality gate reports names that contain no instrument
    return Dataset(root, relative, kind, venue, name, files, instrument, timeframe)


def nearest(name: str, there: Iterable[str]) -> str:
    """List the available names for a message about an unknown one, most similar first."""
    ranked = sorted(there, key=lambda other: (-SequenceMatcher(None, name, other).ratio(), other))
    more = len(ranked) - NEAREST_MAX
    return (", ".join(ranked[:NEAREST_MAX]) or "none") + (f" and {more} more" if more > 0 else "")
