"""The folder of a run: the files that are written into it, and the ones that must not be overwritten."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from tightloop.adapters.stores import parquet
from tightloop.model.errors import InputError
from tightloop.model.files.gathered import FOLDER
from tightloop.runtime.results.result import Result

RESULT, QUALITY, REPORT = "result.json", "quality.json", "report.html"
KEYS = ("strategy", "config_hash", "data_hash", "engine_version")
TABLE_NAMES = (
    "trades", "orders", "fills", "equity", "signals", "transitions", "positions", "attribution", "series", "events",
)  # fmt: skip
"""Tables that a run of some family writes."""


def write_run(
    folder: Path, result: Result, inputs: Mapping[str, bytes], page: Callable[[], str] | None = None
) -> Path | None:
    """Write every file of a run into a folder: the only place that does.

    ``inputs``: strategies and every file they name, by name. ``page``: builds the report. Returns the report's path,
    None without one. Replaces an earlier run in that folder. Raises InputError when it cannot be written, or holds
    files under the names of a run that no run wrote.
    """
    check_room(folder, inputs)
    try:
        _remove_run(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_text(_json(result.summary), encoding="utf-8")
        for name, table in result.tables.items():
            parquet.write(table, folder / f"{name}.parquet")
        (folder / QUALITY).write_text(_json({"datasets": result.quality}), encoding="utf-8")
        for name, content in inputs.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        if page is None:
            return None
        (folder / REPORT).write_text(page(), encoding="utf-8")
        return folder / REPORT
    except OSError as error:
        raise unwritable(folder, error) from None


def earlier_run(folder: Path) -> dict[str, Any] | None:
    """Return ``result.json`` of the run that a folder holds; None when it holds none."""
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and all(key in result for key in KEYS) else None


def check_room(folder: Path, texts: Mapping[str, bytes] = MappingProxyType({})) -> None:
    """Refuse (InputError) a folder without a run that holds files under the names of a run: they are the user's.

    ``texts``: input files by name; one that exists with the same bytes is accepted.
    """
    if earlier_run(folder) is not None:
        return
    paths = [folder / name for name in (RESULT, QUALITY, REPORT, *(f"{table}.parquet" for table in TABLE_NAMES))]
    paths += [folder / name for name, content in texts.items() if _differs(folder / name, content)]
    there = [path.name for path in paths if path.exists()]
    if there:
        message = f"{folder} holds {', '.join(there)}, but no run that wrote them"
        raise InputError.one("command line", None, "--out", message, "name another folder, or move them away")


def _differs(path: Path, content: bytes) -> bool:
    return not path.is_file() or path.read_bytes() != content


def _remove_run(folder: Path) -> None:
    """Delete tables, report, strategies and the files they name of the earlier run, and nothing else.

    Names are read from its ``result.json``, so each is checked to lie in the folder or in its ``FOLDER``: an edited
    file must not delete anything elsewhere.
    """
    run = earlier_run(folder)
    if run is None:
        return
    inputs = {"inputs": {}, **run}["inputs"]
    written = {"strategies": [], "files": [], **inputs}
    names = dict.fromkeys((*map(str, written["strategies"]), *map(str, written["files"])))
    for name in (QUALITY, REPORT, *(f"{table}.parquet" for table in TABLE_NAMES), *names):
        path = PurePosixPath(name)
        is_there = len(path.parts) == 1 or (len(path.parts) == 2 and path.parts[0] == FOLDER)
        if is_there and "\\" not in name and ".." not in path.parts and not (folder / FOLDER).is_symlink():
            (folder / name).unlink(missing_ok=True)
    if (folder / FOLDER).is_dir() and not any((folder / FOLDER).iterdir()):
        (folder / FOLDER).rmdir()


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def unwritable(folder: Path, error: OSError) -> InputError:
    """Make the InputError of a folder or file that cannot be written."""
    reason = (error.strerror or "it cannot be written").lower()
    return InputError.one("command line", None, "--out", f"{folder}: {reason}", "name a folder that can be written")
