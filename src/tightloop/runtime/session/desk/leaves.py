"""Leaves of the core as plain Python: the same source, run without the compiler.

A leaf exists as machine code inside its callers alone; to call one from here would import the compiler and compile it,
seconds and 90 MB in a live process, for a handful of comparisons a second. So its code object is run as it is, with the
leaves that it calls replaced in the same way. Records of the core may be any object with the fields that it reads.
"""

from collections.abc import Callable
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def interpreted(leaf: F) -> F:
    """Return a leaf of the core as a Python function."""
    return cast(F, _rebound(leaf, {}))


def _rebound(leaf: Any, known: dict[FunctionType, FunctionType]) -> FunctionType:
    """Copy the function of a leaf with its globals, in which leaves are copies as well; ``known``: those made."""
    source: FunctionType = getattr(leaf, "py_func", leaf)
    if source in known:
        return known[source]
    names: dict[str, Any] = dict(source.__globals__)
    copy = FunctionType(source.__code__, names, source.__name__, source.__defaults__, source.__closure__)
    known[source] = copy
    for name in source.__code__.co_names:
        value = names.get(name)
        if hasattr(value, "py_func"):
            names[name] = _rebound(value, known)
        elif isinstance(value, ModuleType) and value.__name__.startswith("tightloop.core"):
            leaves = {key: _rebound(part, known) for key, part in vars(value).items() if _is_called(key, part, source)}
            names[name] = SimpleNamespace(**{**vars(value), **leaves})
    return copy


def _is_called(name: str, part: Any, source: FunctionType) -> bool:
    return hasattr(part, "py_func") and name in source.__code__.co_names
