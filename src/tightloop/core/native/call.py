"""Calls of machine code from Python through one pointer: no compiler, no wrapper, the types checked.

Every function of an image has an entry ``int32 entry(words)``. ``words`` is a block of 64-bit words: the result, the
pointer to an exception, then the arguments: a number is one word, a record its address, an array its address and its
length in each dimension. Status 0 is a return; a positive one an exception, which is a pickled tuple in the image.
"""

import ctypes
import pickle
import struct
import weakref
from functools import partial
from typing import Any, NoReturn

import numpy as np

from tightloop.core.kinds import Array, Kind, Scalar, Signature

_DTYPES = {"int64": np.dtype(np.int64), "uint64": np.dtype(np.uint64), "float64": np.dtype(np.float64)}
_FORMATS = {"int64": "q", "uint64": "Q", "float64": "d", "boolean": "q"}
_NO_VALUE = -2
_EXCEPTION = struct.Struct("<Qi")


class _Arrays(dict[int, tuple[int, ...]]):
    """Words of the arrays of one kind that were passed before, by ``id``; forgotten when an array is freed.

    Asking numpy for the address of an array costs more than most calls. An array that lives does not move.
    """

    def __init__(self, kind: Array) -> None:
        super().__init__()
        self._dimensions = kind.dimensions
        self._dtype = _DTYPES[kind.of.name] if isinstance(kind.of, Scalar) else kind.of
        self._references: dict[int, weakref.ref[Any]] = {}

    def learn(self, value: Any) -> tuple[int, ...]:
        """Return the words of an array not met before; raises TypeError if it is not of this kind."""
        if not isinstance(value, np.ndarray) or value.dtype != self._dtype or value.ndim != self._dimensions:
            raise TypeError(
                f"expected an array of {self._dtype} with {self._dimensions} dimensions, got {_kind(value)}"
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

    def get(self, _: int) -> None:
        """Return None: nothing is kept."""

    def learn(self, value: Any) -> tuple[int, ...]:
        """Return the address of a record; raises TypeError if it is not of this dtype."""
        if not isinstance(value, np.void) or value.dtype != self._dtype:
            raise TypeError(f"expected a record of {self._dtype}, got {_kind(value)}")
        return (int(value.__array_interface__["data"][0]),)


def _kind(value: Any) -> str:
    """Describe a value for an error."""
    if isinstance(value, np.ndarray):
        layout = "contiguous" if value.flags.c_contiguous else "not contiguous"
        writable = "" if value.flags.writeable else ", read-only"
        return f"an array of {value.dtype} with {value.ndim} dimensions, {layout}{writable}"
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


class Entry:
    """A function of an image, called from Python. ``address`` is where compiled code calls it."""

    def __init__(self, address: int, entry: int, signature: Signature, *, nogil: bool) -> None:
        assert min(address, entry) > 0, "machine code lies somewhere"
        prototype = (ctypes.CFUNCTYPE if nogil else ctypes.PYFUNCTYPE)(ctypes.c_int32, ctypes.c_char_p)
        self.address, self._run = address, prototype(entry)
        self._pack = struct.Struct("<qq" + "".join(words_of(kind) for kind in signature.arguments)).pack
        self._memories = tuple(_memory_of(kind) for kind in signature.arguments)
        returns = signature.returns.name
        self._result = None if returns == "void" else struct.Struct("<" + _FORMATS[returns]).unpack_from
        self._is_boolean = returns == "boolean"

    def __call__(self, *arguments: Any) -> Any:
        """Run it; raises TypeError if an argument has another kind than the signature says."""
        if len(arguments) != len(self._memories):
            raise TypeError(f"expected {len(self._memories)} arguments, got {len(arguments)}")
        words: list[Any] = []
        for memory, argument in zip(self._memories, arguments, strict=True):
            if memory is None:
                words.append(argument)
            else:
                words += memory.get(id(argument)) or memory.learn(argument)
        # The machine code writes its result over the first word. The object is new, and no other reference exists.
        try:
            block = self._pack(0, 0, *words)
        except struct.error as error:
            raise TypeError(f"an argument is not the number that the signature says: {error}") from None
        status = self._run(block)
        if status:
            _raise(status, block)
        if self._result is None:
            return None
        value = self._result(block)[0]
        return value & 0xFF != 0 if self._is_boolean else value


def _raise(status: int, block: bytes) -> None:
    """Raise what the machine code raised, from the function, file and line it names."""
    if status == _NO_VALUE:
        return
    if status < 0:
        raise SystemError(f"machine code ended with status {status}, which none of the core's functions does")
    (pointer,) = struct.unpack_from("<Q", block, 8)
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
