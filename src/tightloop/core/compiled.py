"""The decorators of compiled code, and where machine code comes from.

Decorators. ``compiled(signature)`` is for functions called from Python or through an address: one explicit signature,
machine code at the first call or when its address is asked for. ``leaf`` functions are called by compiled code only and
are compiled into their callers; ``hot`` is a leaf that is always inlined.

Machine code comes from the image of the repository (``native/image.py``), where it fits the sources and the CPU; else
from the cache of earlier compilations; else from the compiler (``native/compiler.py``). numba is imported for the last
two alone.

Addresses. Functions discovered in a folder (indicators, checks, families) are called through a table of native
addresses, so adding one does not recompile the step. With ``NUMBA_DISABLE_JIT=1`` the table holds Python functions and
the whole core can be debugged line by line.
"""

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property, update_wrapper, wraps
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from tightloop.core.kinds import Signature
from tightloop.core.native import MachineCodeError, image
from tightloop.core.native.call import Entry
from tightloop.core.native.stamps import name_of

DISABLE_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
ADDRESS = np.dtype(np.int64)

F = TypeVar("F", bound=Callable[..., Any])


_wants_first_tier: list[bool] = []


def use_first_tier() -> None:
    """Compile what is missing quickly rather than well (``native/compiler.py``); call it before anything is compiled.

    For commands that a user waits for. ``compiled_first`` names what a later process should compile again.
    """
    _wants_first_tier.append(True)


def compiled_first() -> list[str]:
    """Return the names of the functions that this process uses as code of the first tier."""
    return [name for name, function in _functions.items() if function.is_first_tier]


def _compiler() -> ModuleType:
    """Import the compiler: 0.5 CPU s and 90 MB, which a run whose machine code is in the image does not need.

    Raises MachineCodeError if it is not installed.
    """
    try:
        from tightloop.core.native import compiler
    except ModuleNotFoundError as error:
        if error.name not in ("llvmlite", "numba"):
            raise
        remedy = "run `python3 dev.py setup`, or install tightloop[compile]"
        raise MachineCodeError(f"{image.absence()}, and the compiler is not installed: {remedy}") from None
    if _wants_first_tier:
        compiler.use_first_tier()
    return compiler


class _Leaf:
    """A function that is compiled into its callers; numba asks for its type when it compiles one of them."""

    def __init__(self, function: Callable[..., Any], *, is_inlined: bool) -> None:
        update_wrapper(self, function)
        self.py_func, self._is_inlined = function, is_inlined

    @cached_property
    def _dispatcher(self) -> Any:
        return _compiler().part(self.py_func, is_inlined=self._is_inlined)

    @property
    def _numba_type_(self) -> Any:
        return _compiler().type_of_function(self._dispatcher)

    def __call__(self, *arguments: Any) -> Any:
        """Compile the function alone and call it, as tests do."""
        return self._dispatcher(*arguments)


def leaf(function: F) -> F:
    """Compile a function into its callers: called only by compiled functions, never cached alone.

    LLVM decides whether it is inlined. numba otherwise passes a caller's ``forceinline`` on to functions first compiled
    below it, so inlining would depend on call order, and the bar loop would grow to seven times its machine code and
    compile time.
    """
    return function if DISABLE_JIT else cast(F, _Leaf(function, is_inlined=False))


def hot(function: F) -> F:
    """Compile a ``leaf`` that runs at every event or fill: always inlined at each call.

    Passing its arrays would cost more than most such functions do. Each call site adds a copy of the machine code, so a
    function with many callers that few events reach should be a ``leaf``.
    """
    return function if DISABLE_JIT else cast(F, _Leaf(function, is_inlined=True))


_before: list[tuple[Callable[[str], None], Callable[[str, bool], None]]] = []


def before_compiling(asked: Callable[[str], None], compiling: Callable[[str, bool], None]) -> None:
    """Call ``asked(name)`` before a function is looked for, ``compiling(name, is_kept)`` if the cache does not hold it.

    So another process may compile some of them at the same time: who is asked may wait for it. ``is_kept``: whether the
    cache folder is writable.
    """
    _before.append((asked, compiling))


_listeners: list[Callable[[bool], None]] = []
_watchers: list[Callable[[str | None], None]] = []


def when_compiling(listener: Callable[[bool], None]) -> None:
    """Call ``listener(is_kept)`` once, before the first function is compiled that the cache does not hold.

    ``is_kept``: whether the cache folder is writable. Register before importing other modules of the core: their
    functions are compiled, or loaded from the cache, at import.
    """
    _listeners.append(listener)


def _tell_listeners(is_kept: bool) -> None:
    while _listeners:
        _listeners.pop()(is_kept)


def watch_compiling(watcher: Callable[[str | None], None]) -> None:
    """Call ``watcher(name)`` before each function that is compiled, and ``watcher(None)`` after it."""
    _watchers.append(watcher)


def _name_of(function: Callable[..., Any]) -> str:
    """Return a function's name for display: ``replay.replay``."""
    assert function.__module__, "a function of the core stands in a file"
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"


def _tell_watchers(name: str | None) -> None:
    for watcher in _watchers:
        watcher(name)


def has_machine_code(file: Path, name: str) -> bool:
    """Tell whether the image or the cache holds a ``compiled`` function of a file for its current sources."""
    assert name.isidentifier(), "a compiled function stands at the top of its file"
    parts = ("tightloop", "core", *Path(name_of(file)).with_suffix("").parts)
    module = ".".join(parts).removesuffix(".__init__")
    return image.holds(f"{module}.{name}") or bool(_compiler().is_cached(file, name))


class _Row(np.record):  # type: ignore[misc]  # numpy lets a dtype name its own kind of row
    """A record whose fields are attributes, as in compiled code, whatever their name.

    numpy's own records resolve attributes first, so a field called ``base`` would be unreachable.
    """

    def __getattribute__(self, name: str) -> Any:
        fields = np.void.__getattribute__(self, "dtype").fields
        if fields is None or name not in fields:
            return np.void.__getattribute__(self, name)
        field = self.getfield(*fields[name][:2])
        return field.view(np.dtype((_Row, field.dtype))) if field.dtype.names else field

    def __setattr__(self, name: str, value: Any) -> None:
        self.setfield(value, *self.dtype.fields[name][:2])  # type: ignore[index]  # rows have fields


def as_rows(array: Any) -> Any:
    """Wrap a structured array, or one element, so that fields are attributes; shares the memory."""
    if isinstance(array, _Row) or getattr(getattr(array, "dtype", None), "names", None) is None:
        return array
    if isinstance(array, np.void):
        return np.frombuffer(array, array.dtype).view(np.dtype((_Row, array.dtype)))[0]
    return array.view(np.dtype((_Row, array.dtype)))


def _interpreted(function: F) -> F:
    """Wrap a function for runs without the compiler.

    Record fields become attributes, and floating-point errors are silent, as in machine code.
    """

    @wraps(function)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*(as_rows(argument) for argument in arguments))

    return cast(F, call)


class Compiled:
    """A function of the core with one signature: called from Python, or by compiled code through its address.

    Its machine code is looked for at first use: in the image, in the cache, and last it is compiled.
    """

    def __init__(self, function: Callable[..., Any], signature: Signature, *, nogil: bool) -> None:
        update_wrapper(self, function)
        self.py_func, self.signature, self.nogil = function, signature, nogil
        self.is_first_tier = False
        self.name = _registered(function, self)

    @cached_property
    def _entry(self) -> Entry | None:
        return image.entry(self.name, self.signature, nogil=self.nogil)

    @cached_property
    def dispatcher(self) -> Any:
        """The function as numba compiled it, or as it came from the cache."""
        compiler, begun = _compiler(), []
        for asked, _ in _before:
            asked(self.name)

        def compiling(is_kept: bool) -> None:
            begun.append(is_kept)
            for _, beside in _before:
                beside(self.name, is_kept)
            _tell_listeners(is_kept)
            _tell_watchers(_name_of(self.py_func))

        try:
            made = compiler.compile_function(self.py_func, self.signature, compiling, nogil=self.nogil)
        finally:
            if begun:
                _tell_watchers(None)
        self.is_first_tier = compiler.is_first_tier(made)
        return made

    @property
    def _numba_type_(self) -> Any:
        return _compiler().type_of_function(self.dispatcher)

    @cached_property
    def address(self) -> int:
        """The address of the machine code, for calls from compiled code."""
        return self._entry.address if self._entry is not None else _compiler().address_of(self.dispatcher)

    @cached_property
    def call(self) -> Callable[..., Any]:
        """What runs the machine code; from the cache or compiled, it does not look at the types of arguments."""
        if self._entry is not None:
            return self._entry.method or self._entry
        return _compiler().entry_of(self.dispatcher)

    @cached_property
    def _checked(self) -> Callable[..., Any]:
        return self.call if self._entry is not None else self.dispatcher

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code; raises TypeError if an argument has another kind than the signature says."""
        return self._checked(*arguments)


_functions: dict[str, Compiled] = {}


def _registered(function: Callable[..., Any], made: Compiled) -> str:
    """Name a compiled function by module and function; a second one of the same name gets a number."""
    base = f"{function.__module__}.{function.__qualname__}"
    assert "." in base, "a function of the core stands in a module"
    name, number = base, 1
    while name in _functions:
        number += 1
        name = f"{base}#{number}"
    _functions[name] = made
    return name


def functions() -> dict[str, Compiled]:
    """Return all compiled functions of the modules imported so far, by name."""
    return dict(_functions)


def compiled(signature: Signature, *, nogil: bool = False) -> Callable[[F], F]:
    """Make machine code of a function for one signature; ``nogil`` releases Python's lock while it runs."""

    def decorate(function: F) -> F:
        return _interpreted(function) if DISABLE_JIT else cast(F, Compiled(function, signature, nogil=nogil))

    return decorate


def entry_of(function: Any) -> Any:
    """Return what runs a ``compiled`` function without looking at the types of its arguments: they must match."""
    return function if DISABLE_JIT else function.call


def address_of(function: Any) -> Any:
    """Return the native address of a ``compiled`` function; the function itself without the compiler."""
    return function if DISABLE_JIT else function.address


def address_table(functions: list[Any]) -> Any:
    """Build a table to call through: int64 addresses, or a list of functions without the compiler."""
    if DISABLE_JIT:
        return list(functions)
    return np.array([address_of(function) for function in functions] or [0], ADDRESS)


class _Intrinsic:
    """An operation that only compiled code has; ``make(compiler)`` returns it as numba knows it."""

    def __init__(self, make: Callable[[ModuleType], Any]) -> None:
        self._make = make

    @cached_property
    def _numba_type_(self) -> Any:
        return _compiler().type_of_intrinsic(self._made)

    @cached_property
    def _made(self) -> Any:
        return self._make(_compiler())


def caller(*signatures: Signature) -> Any:
    """Make a compiled ``call(address, *arguments)`` that calls the function at ``address``.

    Argument types select among several signatures of equal length. A failed assert of the callee propagates.
    """
    if DISABLE_JIT:
        return lambda function, *arguments: function(*arguments)
    return _Intrinsic(lambda compiler: compiler.caller(*signatures))


def _interpreted_bits(value: float) -> Any:
    return np.uint64(struct.unpack("<Q", struct.pack("<d", value))[0])


def _interpreted_word(record: Any, index: int) -> Any:
    return np.frombuffer(record, np.uint64)[index]


def _interpreted_multiply_add(a: float, b: float, c: float) -> float:
    if not abs(a * b + c) < float("inf"):
        return a * b + c
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


float_bits: Any = _interpreted_bits if DISABLE_JIT else _Intrinsic(lambda compiler: compiler.float_bits)
"""``float_bits(value)``: the bit pattern of a float as uint64."""

word_at: Any = _interpreted_word if DISABLE_JIT else _Intrinsic(lambda compiler: compiler.word_at)
"""``word_at(record, index)``: 64-bit word number ``index`` of a record's memory."""

multiply_add: Any = _interpreted_multiply_add if DISABLE_JIT else _Intrinsic(lambda compiler: compiler.multiply_add)
"""``multiply_add(a, b, c)``: ``a * b + c`` with a single rounding, as TA-Lib rounds on processors with an FMA unit.

LLVM emits that instruction, or a call into the C library elsewhere: the same bits everywhere.
"""
