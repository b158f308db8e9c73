"""Compiling and calling the core: decorators, the cache of machine code, calls through an address.

Decorators. ``compiled(signature)`` is for functions called from Python or through an address: compiled ahead of the
first call for one explicit signature and cached on disk. ``leaf`` functions are called by compiled code only and are
compiled into their callers; ``hot`` is a leaf that is always inlined.

Cache. numba's own cache validates against the modification time of one file, so a change in an imported file goes
unnoticed. This one validates against a content hash of the file, of every file of the core it reaches by import, and of
the compiler flags. A fresh clone or a ``touch`` recompiles nothing.

Addresses. Functions discovered in a folder (indicators, checks, families) are called through a table of native
addresses, so adding one does not recompile the step. With ``NUMBA_DISABLE_JIT=1`` the table holds Python functions and
the whole core can be debugged line by line.

This file relies on internals of numba (it patches ``codegen`` and ``arrayobj``): check it at every numba upgrade.
"""

import ast
import hashlib
import os
import pickle
import struct
import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.core import caching, codegen
from numba.extending import intrinsic
from numba.np import arrayobj, numpy_support

from tightloop.core.kinds import Array, Kind, Scalar, Signature

DISABLE_JIT = bool(numba.config.DISABLE_JIT)
CORE_DIR = Path(__file__).resolve().parent
ADDRESS = np.dtype(np.int64)

# Division by zero gives inf or NaN (IEEE 754); code that divides handles it. Python's error model would add a branch
# and an exception path to every division.
ERROR_MODEL = "numpy"

F = TypeVar("F", bound=Callable[..., Any])

# Nothing in the core allocates, so reference counting (numba's NRT), which would dominate most functions, is off.
_OPTIONS: dict[str, Any] = {"error_model": ERROR_MODEL, "_nrt": False}


def _machine_type(kind: Kind) -> Any:
    """Convert an argument kind to numba's type."""
    if isinstance(kind, Scalar):
        return getattr(types, kind.name)
    if isinstance(kind, Array):
        return types.Array(_machine_type(kind.of), kind.dimensions, "C")
    return numpy_support.from_dtype(kind)


def _machine_signature(signature: Signature) -> Any:
    """Convert a signature to numba's form."""
    return _machine_type(signature.returns)(*(_machine_type(kind) for kind in signature.arguments))


def _skip(library: Any) -> None:
    """Skip the optimisation of a module: the module that links it is optimised as a whole."""


def _as_it_is(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """Convert an index to machine size, without wrapping negative ones to the end of the array."""
    return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)


def _compile(compile_signature: Callable[[Any], Any], signature: Any) -> Any:
    """Compile without numba's support for negative indices, which costs three instructions per array access.

    In the core a negative index is an error, which ``NUMBA_BOUNDSCHECK=1`` detects.
    """
    wraparound = arrayobj.fix_integer_index
    arrayobj.fix_integer_index = _as_it_is
    try:
        return compile_signature(signature)
    finally:
        arrayobj.fix_integer_index = wraparound


def _part(function: Any, **options: Any) -> Any:
    """Wrap a function that is compiled into its callers.

    By default numba optimises each function together with everything it calls, again at each level of the call tree:
    most of a minute for the step. Here parts stay unoptimised; a ``compiled`` function is optimised once with all its
    parts linked in.
    """
    dispatcher = numba.njit(**_OPTIONS, **options)(function)
    if DISABLE_JIT:
        return dispatcher
    compile_alone = dispatcher.compile

    def compile_as_part(signature: Any) -> Any:
        optimise = codegen.CPUCodeLibrary._optimize_final_module
        codegen.CPUCodeLibrary._optimize_final_module = _skip
        try:
            return _compile(compile_alone, signature)
        finally:
            codegen.CPUCodeLibrary._optimize_final_module = optimise

    dispatcher.compile = compile_as_part
    return dispatcher


def leaf(function: F) -> F:
    """Compile a function into its callers: called only by compiled functions, never cached alone.

    LLVM decides whether it is inlined. ``forceinline=False`` must be explicit: numba otherwise passes a caller's
    ``forceinline`` on to functions first compiled below it, so inlining would depend on call order, and the bar loop
    would grow to seven times its machine code and compile time.
    """
    return cast(F, _part(function, forceinline=False))


def hot(function: F) -> F:
    """Compile a ``leaf`` that runs at every event or fill: always inlined at each call.

    Passing its arrays would cost more than most such functions do. Each call site adds a copy of the machine code, so a
    function with many callers that few events reach should be a ``leaf``.
    """
    return cast(F, _part(function, forceinline=True))


def cache_dir() -> Path:
    """Return the folder for machine code: ``NUMBA_CACHE_DIR`` if set, else the user's cache folder."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tightloop" / "compiled"


def _imported_core_files(path: Path, source: bytes) -> list[Path]:
    """List the files of the core that ``path`` imports directly, by its import statements."""
    candidates = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tightloop.core"):
            parts = node.module.split(".")[2:]
            base = CORE_DIR.joinpath(*parts)
            candidates += [
                base.with_suffix(".py"),
                base / "__init__.py",
                *(base / f"{alias.name}.py" for alias in node.names),
            ]
    return [file for file in candidates if file.is_file() and file != path]


def _flags() -> tuple[object, ...]:
    return numba.__version__, np.__version__, ERROR_MODEL, numba.config.BOUNDSCHECK, str(numba.config.OPT)


@cache
def _file_hash(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Hash a file's content, and list the files of the core it imports."""
    source = path.read_bytes()
    return hashlib.sha256(source).hexdigest(), tuple(_imported_core_files(path, source))


@cache
def source_stamp(path: Path) -> str:
    """Hash a file of the core, all files of the core it reaches by import, and the compiler flags."""
    seen: dict[Path, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen[file], imported = _file_hash(file)
            waiting += imported
    named = sorted((file.name, digest) for file, digest in seen.items())
    return hashlib.sha256(repr((_flags(), named)).encode()).hexdigest()


def _disambiguator(file: Path) -> str:
    """Return a cache key of path and flags, not of content: new machine code then replaces the old."""
    return hashlib.sha256(repr((str(file), _flags())).encode()).hexdigest()[:10]


class _StampedLocator(caching._CacheLocator):  # type: ignore[misc]  # numba ships no types
    """Tells numba where the cache is, and its validity stamp: ``source_stamp``."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._file = Path(py_file).resolve()

    def get_cache_path(self) -> str:
        return str(cache_dir())

    def get_source_stamp(self) -> str:
        return source_stamp(self._file)

    def get_disambiguator(self) -> str:
        return _disambiguator(self._file)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_StampedLocator | None":
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


def _parse_when_linked(library: Any, bitcode: bytes) -> Any:
    """Parse a library's bitcode on first use, which is when another function links it."""
    if library._shared_module is None:
        library._shared_module = llvm.parse_bitcode(bitcode)
    return library._shared_module


class _Reader:
    """Stand-in for numba's target context that restores cached libraries with lazy bitcode.

    numba loads machine code and bitcode; the bitcode, only needed to link a library into another, is 150 MB and a third
    of a run's start-up time. Here it stays unparsed until it is linked.
    """

    def __init__(self, context: Any, symbols: list[str]) -> None:
        self._context = context
        self._symbols = symbols

    def codegen(self) -> "_Reader":
        return self

    def unserialize_library(self, state: Any) -> Any:
        target = self._context.codegen()
        name, kind, payload = state
        if kind != "object":
            return target.unserialize_library(state)
        library = target.create_library(name)
        object_code, bitcode = payload
        library.enable_object_caching()
        library._set_compiled_object(object_code)
        library._finalize_final_module()
        # The engine resolves only symbols it knows as defined; it would learn them from the bitcode.
        target._engine._defined_symbols.update(self._symbols)
        library._get_module_for_linking = partial(_parse_when_linked, library, bitcode)
        return library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class _StampedImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]  # numba ships no types
    """Serialises compiled functions together with the symbols they define, which ``_Reader`` needs."""

    _locator_classes = [_StampedLocator]  # noqa: RUF012  # numba reads this name on the class

    def reduce(self, data: Any) -> Any:
        module = data.library._get_module_for_linking()
        named = (*module.functions, *module.global_variables)
        return [value.name for value in named if not value.is_declaration], super().reduce(data)

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        symbols, reduced = payload
        result = super().rebuild(_Reader(target_context, symbols), reduced)
        return result._replace(target_context=target_context)


def is_cached(file: Path, name: str) -> bool:
    """Tell whether the cache holds a ``compiled`` function of a file for its current sources."""
    assert name.isidentifier(), "a compiled function stands at the top of its file"
    version = f"py{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
    base = f"{file.stem}.{name}-{_disambiguator(file)}.{version}"
    try:
        return bool(caching.IndexDataCacheFile(str(cache_dir()), base, source_stamp(file))._load_index())
    except (OSError, pickle.UnpicklingError, EOFError):
        return False


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


class _StampedCache(caching.FunctionCache):  # type: ignore[misc]  # numba ships no types
    """numba's function cache with our stamps; survives damaged files."""

    _impl_class = _StampedImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        overload = None
        try:
            overload = super().load_overload(sig, target_context)
        except (pickle.UnpicklingError, EOFError):
            # A truncated file, e.g. after a full disk, must not fail every start: discard it and recompile.
            self.flush()
        if overload is None:
            _tell_listeners(True)
            _tell_watchers(_name_of(self._py_func))
        return overload


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


def compiled(signature: Signature, *, nogil: bool = False) -> Callable[[F], F]:
    """Compile a function for one signature at import, or load it from the cache; in memory if that is not writable."""

    def decorate(function: F) -> F:
        if DISABLE_JIT:
            return _interpreted(function)
        dispatcher = numba.njit(nogil=nogil, **_OPTIONS)(function)
        try:
            dispatcher._cache = _StampedCache(function)
        except RuntimeError:
            _tell_listeners(False)  # no writable folder: compile in memory
            _tell_watchers(_name_of(function))
        _compile(dispatcher.compile, _machine_signature(signature))
        _tell_watchers(None)
        dispatcher.disable_compile()
        return cast(F, dispatcher)

    return decorate


def entry_of(function: Any) -> Any:
    """Return an entry point of a ``compiled`` function without type dispatch, 30 % faster: types must match."""
    if DISABLE_JIT:
        return function
    return function.overloads[function.signatures[0]].entry_point


def address_of(function: Any) -> Any:
    """Return the native address of a ``compiled`` function; the function itself without the compiler."""
    if DISABLE_JIT:
        return function
    result = function.overloads[function.signatures[0]]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


def address_table(functions: list[Any]) -> Any:
    """Build a table to call through: int64 addresses, or a list of functions without the compiler."""
    if DISABLE_JIT:
        return list(functions)
    return np.array([address_of(function) for function in functions] or [0], ADDRESS)


def caller(*signatures: Signature) -> Any:
    """Make a compiled ``call(address, *arguments)`` that calls the function at ``address``.

    Argument types select among several signatures of equal length. A failed assert of the callee propagates.
    """
    if DISABLE_JIT:
        return lambda function, *arguments: function(*arguments)

    by_arguments = {
        machine_signature.args: machine_signature for machine_signature in map(_machine_signature, signatures)
    }

    def through(*arguments: Any) -> Any:
        signature = by_arguments.get(arguments)
        if signature is None:
            return None

        def generate(context: Any, builder: Any, _: Any, values: Any) -> Any:
            address, *rest = values
            kind = context.call_conv.get_function_type(signature.return_type, signature.args)
            pointer = builder.inttoptr(address, kind.as_pointer())
            status, value = context.call_conv.call_function(
                builder, pointer, signature.return_type, signature.args, rest
            )
            with builder.if_then(status.is_error, likely=False):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value() if signature.return_type == types.void else value

        return signature.return_type(types.int64, *signature.args), generate

    # numba reads the number of arguments from the definition, so each arity is written out.
    count = len(signatures[0].arguments)
    if count == 3:
        return intrinsic(lambda context, address, a, b, c: through(a, b, c))
    if count == 4:
        return intrinsic(lambda context, address, a, b, c, d: through(a, b, c, d))
    if count == 5:
        return intrinsic(lambda context, address, a, b, c, d, e: through(a, b, c, d, e))
    if count == 6:
        return intrinsic(lambda context, address, a, b, c, d, e, f: through(a, b, c, d, e, f))
    if count == 12:
        return intrinsic(
            lambda context, address, a, b, c, d, e, f, g, h, i, j, k, m: through(a, b, c, d, e, f, g, h, i, j, k, m)
        )
    raise ValueError(f"no caller for {count} arguments: add a line for that arity")


if DISABLE_JIT:

    def float_bits(value: float) -> Any:
        """Return the bit pattern of a float as uint64."""
        return np.uint64(struct.unpack("<Q", struct.pack("<d", value))[0])

else:

    @intrinsic
    def float_bits(context: Any, value: Any) -> Any:
        """Return the bit pattern of a float as uint64."""

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.IntType(64))

        return types.uint64(types.float64), generate


if DISABLE_JIT:

    def word_at(record: Any, index: int) -> Any:
        """Return 64-bit word number ``index`` of a record's memory."""
        return np.frombuffer(record, np.uint64)[index]

else:

    @intrinsic
    def word_at(context: Any, record: Any, index: Any) -> Any:
        """Return 64-bit word number ``index`` of a record's memory."""

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            words = builder.bitcast(arguments[0], ir.IntType(64).as_pointer())
            return builder.load(builder.gep(words, [arguments[1]]))

        return types.uint64(record, types.int64), generate
