"""Finds, loads and checks the class of a strategy in Python, before any data is read.

Loading executes the file, as an import does. Faults of it are Problems of the user's input, with file and line.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tightloop.model.errors import InputError
from tightloop.model.files.diagnostics import near

CALLBACKS: Mapping[str, tuple[str, ...]] = {
    "on_start": ("view",), "on_bar": ("view", "bar"), "on_trade": ("view", "trade"), "on_quote": ("view", "quote"),
    "on_fill": ("view", "fill"), "on_timer": ("view",),
}  # fmt: skip
"""Callbacks that a class may define, and the arguments each is called with."""
SAVING: Mapping[str, tuple[str, ...]] = {"on_save": (), "on_load": ("saved",)}
"""What a class may define, both or none, so that a session can go on from a snapshot of it."""
_FEEDS = {"on_trade": "trades", "on_quote": "quotes"}
EXAMPLE = "write class: my_strategy.py:MyStrategy, a path relative to this file"

_SOURCES: dict[str, bytes] = {}
"""Source bytes of the latest load of each file."""
Place = Callable[[], tuple[str, int | None]]


@dataclass(frozen=True, slots=True)
class PythonClass:
    """A loaded strategy class. ``source``: bytes of its file. ``callbacks``: those it defines."""

    made: type
    file: str
    line: int
    source: bytes
    callbacks: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the source, hex."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def can_save(self) -> bool:
        """Whether it can be saved and restored."""
        return hasattr(self.made, "on_save")

    @property
    def name(self) -> str:
        """Name of the class."""
        return self.made.__name__


def find(key: str, written: str, base: Path, place: Place) -> PythonClass:
    """Load the class named by ``class: PATH.py:NAME`` or ``module: PACKAGE.MODULE:NAME``.

    ``base``: folder of the strategy file. In the folder of a finished run, a missing original is replaced by the copy
    that the run kept. Raises InputError.
    """
    target, colon, name = written.rpartition(":")
    if not colon or not target or not name.isidentifier():
        file, line = place()
        example = EXAMPLE if key == "class" else "write module: my_package.my_module:MyStrategy"
        raise InputError.one(file, line, key, f"{written!r} names no class", example)
    kept = base / (Path(target).name if key == "class" else f"{target.rpartition('.')[2]}.py")
    if key == "class":
        path = base / target
        module = _file_module(path if path.is_file() or not _is_kept(kept) else kept, place)
    else:
        module = _named_module(target, place, kept)
    return _checked(module, name, key, place)


def _is_kept(path: Path) -> bool:
    """Return whether a file is the copy that a finished run kept beside its strategy."""
    return path.is_file() and (path.parent / "result.json").is_file()


def _source_of(path: Path, place: Place) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        file, line = place()
        reason = "is a folder" if path.is_dir() else (error.strerror or "cannot be read").lower()
        raise InputError.one(file, line, "class", f"{path}: {reason}", "write the path from this file on") from None


def _file_module(path: Path, place: Place) -> ModuleType:
    """Execute a file as a module named by its content hash; unchanged content is loaded only once."""
    source = _source_of(path, place)
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\x1f" + source).hexdigest()[:16]
    name = f"tightloop_strategy_{digest}"
    _SOURCES[str(path)] = source
    if name in sys.modules:
        return sys.modules[name]
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise InputError.one(path, line, "class", f"is not valid Python: {_words(error)}", "repair the file") from None
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        _run(lambda: exec(code, module.__dict__), str(path), "class")  # noqa: S102  # running it is what was asked for
    except InputError:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _named_module(name: str, place: Place, kept: Path) -> ModuleType:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None and _is_kept(kept):
        return _file_module(kept, place)
    if spec is None:
        file, line = place()
        raise InputError.one(
            file, line, "module", f"there is no module {name!r}", "install it, or write class: and a path"
        )
    found: list[ModuleType] = []
    _run(lambda: found.append(importlib.import_module(name)), spec.origin or name, "module")
    return found[0]


def _run(job: Callable[[], Any], file: str, field: str) -> None:
    """Run user code while loading; turn whatever it raises into a Problem of its file."""
    try:
        job()
    except Exception as error:  # user code may raise anything; it is reported as the user's fault
        line = line_in(error, file)
        raise InputError.one(file, line, field, f"cannot be loaded: {_words(error)}", "repair the file") from error


def line_in(error: BaseException, file: str) -> int | None:
    """Return the innermost line of ``file`` in an error's traceback, or None."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None


def _words(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _checked(module: ModuleType, name: str, key: str, place: Place) -> PythonClass:
    made = vars(module).get(name)
    path = module.__file__ or module.__name__
    if not isinstance(made, type):
        file, line = place()
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
        there = f"write one of {', '.join(classes)}" if classes else "write the class into it"
        raise InputError.one(file, line, key, f"{path} has no class {name}", near(name, classes, there))
    line = _line_of(made)
    callbacks = tuple(callback for callback in CALLBACKS if callable(getattr(made, callback, None)))
    for callback in callbacks:
        _check_callback(made, callback, path, CALLBACKS)
    _check_saving(made, line, key, path)
    unknown = [n for n in vars(made) if n.startswith("on_") and n not in CALLBACKS and n not in SAVING]
    if unknown or not callbacks:
        message = f"{name} has no callback" if not unknown else f"{name}.{unknown[0]} would never be called"
        remedy = near(unknown[0] if unknown else "", list(CALLBACKS), f"define some of {', '.join(CALLBACKS)}")
        raise InputError.one(path, line, key, message, remedy)
    return PythonClass(made, path, line, _SOURCES[path] if path in _SOURCES else Path(path).read_bytes(), callbacks)


def _line_of(made: type) -> int:
    try:
        return inspect.getsourcelines(made)[1]
    except (OSError, TypeError):
        return 1


def _check_saving(made: type, line: int, key: str, path: str) -> None:
    """Refuse a class that can be saved and not restored, or the other way round."""
    there = [name for name in SAVING if callable(getattr(made, name, None))]
    if len(there) == 1:
        (missing,) = set(SAVING) - set(there)
        message = f"{made.__name__} defines {there[0]} and not {missing}"
        raise InputError.one(path, line, key, message, f"define {missing}({', '.join(('self', *SAVING[missing]))})")
    for name in there:
        _check_callback(made, name, path, SAVING)


def _check_callback(made: type, callback: str, path: str, arguments: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a callback that cannot be called with its arguments."""
    function, wanted = getattr(made, callback), ("self", *arguments[callback])
    try:
        inspect.signature(function).bind(*wanted)
    except (TypeError, ValueError):
        code = getattr(function, "__code__", None)
        line = code.co_firstlineno if code is not None else _line_of(made)
        remedy = f"write def {callback}({', '.join(wanted)})"
        message = f"{made.__name__}.{callback} does not take {', '.join(wanted)}"
        raise InputError.one(path, line, "class", message, remedy) from None


def check_params(
    code_class: PythonClass, params: Mapping[str, Any], place: Callable[[str], tuple[str, int | None]]
) -> None:
    """Check the ``params:`` block against the signature of ``__init__``, and construct the class once as a test."""
    signature = inspect.signature(code_class.made)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    names = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for key in params:
        if key not in names and not takes_any:
            file, line = place(key)
            there = (
                f"{code_class.name} takes {', '.join(names)}" if names else f"{code_class.name} takes none: remove it"
            )
            raise InputError.one(
                file, line, f"params.{key}", f"{key!r} is not a parameter of {code_class.name}", near(key, names, there)
            )
    for parameter in signature.parameters.values():
        if parameter.name in names and parameter.default is parameter.empty and parameter.name not in params:
            file, line = place(parameter.name)
            message = f"{code_class.name} needs {parameter.name!r}"
            raise InputError.one(
                file, line, f"params.{parameter.name}", message, f"write {parameter.name}: under params:"
            )
    _run(lambda: code_class.made(**params), code_class.file, "params")


def feed_fault(code_class: PythonClass, feed: list[str] | None) -> tuple[str, str] | None:
    """Return (fault, remedy) if the class defines a callback that the feed can never trigger, else None."""
    for callback in code_class.callbacks:
        if callback == "on_bar" and feed is not None:
            return (
                f"{code_class.name}.on_bar is called on bars, and this strategy has a feed of ticks",
                "write timeframe: 1m",
            )
        if callback in _FEEDS and _FEEDS[callback] not in (feed or []):
            return f"{code_class.name}.{callback} needs {_FEEDS[callback]}", f"write feed: [{_FEEDS[callback]}]"
    return None
