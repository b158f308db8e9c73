"""Calls of machine code from Python through one pointer: no compiler, no wrapper, the types checked.

Two ways lead into a function of an image. Most calls take the method, which reads its arguments as an extension module
does (`tools/native_entries.py`), and hands over to the other what is not exactly as expected. The other is this file's:
every function has an entry ``int32 entry(words)``. ``words`` is a block of 64-bit words: the result, the
pointer to an exception, then the arguments: a number is one word, a record its address, an array its address and its
length in each dimension. Status 0 is a return; a positive one an exception, which is a pickled tuple in the image.
"""

import ctypes
import pickle
import struct
import sys
import sysconfig
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np

from tightloop.core.kinds import Array, Kind, Scalar, Signature

_DTYPES = {"int64": np.dtype(np.int64), "uint64": np.dtype(np.uint64), "float64": np.dtype(np.float64)}
_FORMATS = {"int64": "q", "uint64": "Q", "float64": "d", "boolean": "q"}
_NO_VALUE = -2
_EXCEPTION, _POINTER = struct.Struct("<Qi"), struct.Struct("<Q")
_FASTCALL = 0x80
_HAS_LOCK = not sysconfig.get_config_var("Py_GIL_DISABLED") and not hasattr(sys, "gettotalrefcount")
"""Whether objects have the layout that methods read: not without the global lock, nor in a debug build."""
_name_buffer = ctypes.create_string_buffer(b"compiled")
_NAME = ctypes.addressof(_name_buffer)
_definitions: list[Any] = []
"""Definitions of methods, which Python only points to."""


class _Arrays(dict[int, tuple[int, ...]]):
    """Words of the arrays of one kind that were passed before, by ``id``; forgotten when an array is freed.

    Asking numpy for the address of an array costs more than most calls. An array that lives and is referenced weakly
    does not move; its dtype, shape and flags may change, so these are looked at each time.
    """

    def __init__(self, kind: Array) -> None:
        super().__init__()
        self._dimensions = kind.dimensions
        self._dtype = _DTYPES[kind.of.name] if isinstance(kind.of, Scalar) else kind.of
        self._references: dict[int, weakref.ref[Any]] = {}

    def words_of(self, value: Any) -> tuple[int, ...]:
        """Return the words of an array; raises TypeError if it is not of this kind."""
        words = self.get(id(value))
        if words is None:
            return self._learn(value)
        if value.dtype is self._dtype and value.shape == words[1:] and value.flags.writeable:
            return words
        return self._learn(value)

    def _learn(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, np.ndarray) or value.dtype != self._dtype or value.ndim != self._dimensions:
            raise TypeError(
                f"expected an array of {_name(self._dtype)} with {self._dimensions} dimensions, got {_kind(value)}"
            )
        if not (value.flags.c_contiguous and value.flags.writeable):
            raise TypeError(f"expected a contiguous array that can be written, got {_kind(value)}")
        words = (value.ctypes.data, *value.shape)
        key = id(value)
        self[key] = words
        self._references[key] = weakref.ref(value, partial(self._forget, key))
        return words

    def _forget(self, key: int, _: object) -> None:
        self.pop(key, None)
        self._references.pop(key, None)


class _Records:
    """Records of one dtype: rows of a structured array, which are new objects at each call."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype

    def words_of(self, value: Any) -> tuple[int, ...]:
        """Return the address of a record; raises TypeError if it is not of this dtype."""
        if not isinstance(value, np.void) or value.dtype != self._dtype:
            raise TypeError(f"expected a record of {_name(self._dtype)}, got {_kind(value)}")
        return (int(value.__array_interface__["data"][0]),)


def _name(dtype: np.dtype[Any]) -> str:
    """Describe a dtype in a few words; State has hundreds of fields."""
    return str(dtype) if dtype.names is None else f"{dtype.itemsize} bytes ({', '.join(dtype.names[:3])}, ...)"


def _kind(value: Any) -> str:
    """Describe a value for an error."""
    if isinstance(value, np.ndarray):
        layout = "contiguous" if value.flags.c_contiguous else "not contiguous"
        writable = "" if value.flags.writeable else ", read-only"
        return f"an array of {_name(value.dtype)} with {value.ndim} dimensions, {layout}{writable}"
    return type(value).__name__


_arrays: dict[Array, _Arrays] = {}
"""One for each kind, shared by all functions."""


def _memory_of(kind: Kind) -> _Arrays | _Records | None:
    """Return what knows the words of arguments of a kind; None for numbers, which are their own words."""
    if isinstance(kind, Array):
        return _arrays.setdefault(kind, _Arrays(kind))
    return None if isinstance(kind, Scalar) else _Records(kind)


def words_of(kind: Kind) -> str:
    """Return the struct format of the words that an argument takes."""
    if isinstance(kind, Scalar):
        return _FORMATS[kind.name]
    return "q" * (1 + kind.dimensions) if isinstance(kind, Array) else "q"


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of a function of the image: for compiled code, for calls by a block of words and as a method of Python.

    ``kinds`` is where the types that the method expects are written; both are 0 where a function has no method.
    """

    address: int
    entry: int
    method: int
    kinds: int


class Entry:
    """A function of an image, called from Python. ``address`` is where compiled code calls it.

    Calling it looks at all types. ``method`` does the same for a fraction of the cost; None where it does not exist.
    """

    def __init__(self, places: Places, signature: Signature, *, nogil: bool) -> None:
        assert min(places.address, places.entry) > 0, "machine code lies somewhere"
        prototype = (ctypes.CFUNCTYPE if nogil else ctypes.PYFUNCTYPE)(ctypes.c_int32, ctypes.c_char_p)
        self.address, self._run = places.address, prototype(places.entry)
        self._pack = struct.Struct("<qq" + "".join(words_of(kind) for kind in signature.arguments)).pack
        self._memories = tuple(_memory_of(kind) for kind in signature.arguments)
        returns = signature.returns.name
        self._result = None if returns == "void" else struct.Struct("<" + _FORMATS[returns]).unpack_from
        self._is_boolean = returns == "boolean"
        self.method = _method(places, signature, (self.__call__, _raise)) if places.method and _HAS_LOCK else None

    def __call__(self, *arguments: Any) -> Any:
        """Run it; raises TypeError if an argument has another kind than the signature says."""
        if len(arguments) != len(self._memories):
            raise TypeError(f"expected {len(self._memories)} arguments, got {len(arguments)}")
        words: list[Any] = []
        for memory, argument in zip(self._memories, arguments, strict=True):
            if memory is None:
                words.append(argument)
            else:
                words += memory.words_of(argument)
        # The machine code writes its result over the first word. The object is new, and no other reference exists.
        try:
            block = self._pack(0, 0, *words)
        except struct.error as error:
            raise TypeError(f"an argument is not the number that the signature says: {error}") from None
        status = self._run(block)
        if status:
            _raise(status, *_POINTER.unpack_from(block, 8))
        if self._result is None:
            return None
        value = self._result(block)[0]
        return value & 0xFF != 0 if self._is_boolean else value


def _method(places: Places, signature: Signature, answers: tuple[Any, Any]) -> Any:
    """Make the method of Python of a function; ``answers``: what looks closely, and what raises an exception."""
    expected = [id(_expected(kind)) for kind in signature.arguments]
    table = (ctypes.c_uint64 * (len(expected) + 1)).from_address(places.kinds)
    table[:] = [*expected, id(np.ndarray)]
    definition = ctypes.create_string_buffer(struct.pack("<QQqQ", _NAME, places.method, _FASTCALL, 0))
    _definitions.append(definition)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(definition), answers, None)


def _expected(kind: Kind) -> Any:
    """Return the dtype of an array, or the type of a number, that the method of a function takes."""
    if isinstance(kind, Array):
        return _DTYPES[kind.of.name] if isinstance(kind.of, Scalar) else kind.of
    assert isinstance(kind, Scalar), "functions that take records have no method"
    return float if kind.name == "float64" else int


def _raise(status: int, pointer: int) -> None:
    """Raise what the machine code raised, from the function, file and line it names."""
    if status == _NO_VALUE:
        return
    if status < 0:
        raise SystemError(f"machine code ended with status {status}, which none of the core's functions does")
    address, size = _EXCEPTION.unpack(ctypes.string_at(pointer, _EXCEPTION.size))
    kind, arguments, place = pickle.loads(ctypes.string_at(address, size))  # noqa: S301  # from the image, checked
    _raise_at(kind(*arguments), place)


def _raise_at(error: BaseException, place: tuple[str, str, int] | None) -> NoReturn:
    """Raise an error whose traceback ends at a place of the source."""
    if place is None:
        raise error
    function, file, line = place
    code = compile("\n" * (line - 1) + "raise error", file, "exec").replace(co_name=function, co_qualname=function)
    exec(code, {"error": error})  # noqa: S102  # one statement, written above
    raise error
