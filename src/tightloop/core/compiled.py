"""Compiling and calling the core: one decorator, one cache, one way to call through an address.

``compiled(signature)`` compiles a function ahead of its first call and keeps the machine code on disk. numba's own
cache looks at one file only, so a change in a function of another file goes unnoticed; ours is stamped with the hash of
the file, of every file of the core it imports, and of the flags that change the code. No modification times: a fresh
clone or a ``touch`` recompiles nothing.

Functions found in a folder (indicators, checks, families) are called through a table of native addresses, so the step
is not compiled again when one is added. Under ``NUMBA_DISABLE_JIT=1`` the same table holds Python functions and the
whole core can be debugged line by line.
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

from tightloop.core.domain.kinds import Array, Kind, Scalar, Signature

DISABLE_JIT = bool(numba.config.DISABLE_JIT)
CORE_DIR = Path(__file__).resolve().parent
ADDRESS = np.dtype(np.int64)

# One error model for all of the core: a division by zero is inf or NaN, as in IEEE 754, and the code that divides says
# what it means. Python's model would add a branch and an exception path to every division of the step.
ERROR_MODEL = "numpy"

F = TypeVar("F", bound=Callable[..., Any])

# Nothing in the core allocates, so no function counts references: that would cost more than most of them do.
_OPTIONS: dict[str, Any] = {"error_model": ERROR_MODEL, "_nrt": False}


def _machine_type(kind: Kind) -> Any:
    """numba's type of a kind of argument."""
    if isinstance(kind, Scalar):
        return getattr(types, kind.name)
    if isinstance(kind, Array):
        return types.Array(_machine_type(kind.of), kind.dimensions, "C")
    return numpy_support.from_dtype(kind)


def _machine_signature(signature: Signature) -> Any:
    """numba's form of a signature."""
    return _machine_type(signature.returns)(*(_machine_type(kind) for kind in signature.arguments))


def _skip(library: Any) -> None:
    """Leave a module as it is; whoever links it in optimises the whole."""


def _as_it_is(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """An index is where it points to: nothing in the core counts from the end."""
    return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)


def _compile(compile_own: Callable[[Any], Any], signature: Any) -> Any:
    """Compile without numba's allowance for negative indices: three instructions at every look into an array.

    With bounds checks on, a negative index is an error.
    """
    counted = arrayobj.fix_integer_index
    arrayobj.fix_integer_index = _as_it_is
    try:
        return compile_own(signature)
    finally:
        arrayobj.fix_integer_index = counted


def _part(function: Any, **options: Any) -> Any:
    """A function compiled into its callers.

    numba would optimise every function together with all it calls, again at every level of calls: most of a minute for
    the step. Only what is called from outside is optimised here, once, with everything linked in.
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

    The optimiser decides whether it is inlined. numba hands ``forceinline`` of a caller down to what is first compiled
    below it, unless that says its own: without the word here, which leaves are forced would depend on the order of
    calls, the loop over bars would have seven times its machine code and take seven times as long to compile.
    """
    return cast(F, _part(function, forceinline=False))


def hot(function: F) -> F:
    """Compile a ``leaf`` that every event passes, or every fill: always inlined at each of its calls.

    Passing three arrays costs more than most of them do. Each call is one more copy in the machine code, so a function
    that many places call, and few events reach, is a ``leaf``.
    """
    return cast(F, _part(function, forceinline=True))


def cache_dir() -> Path:
    """The folder for machine code: ``NUMBA_CACHE_DIR`` when set, else the user's cache folder."""
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
    """Files of the core that ``path`` imports directly."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tightloop.core"):
            parts = node.module.split(".")[2:]
            base = CORE_DIR.joinpath(*parts)
            found += [
                base.with_suffix(".py"),
                base / "__init__.py",
                *(base / f"{alias.name}.py" for alias in node.names),
            ]
    return [file for file in found if file.is_file() and file != path]


def _flags() -> tuple[object, ...]:
    return numba.__version__, np.__version__, ERROR_MODEL, numba.config.BOUNDSCHECK, str(numba.config.OPT)


@cache
def _file_hash(path: Path) -> tuple[str, tuple[Path, ...]]:
    source = path.read_bytes()
    return hashlib.sha256(source).hexdigest(), tuple(_imported_core_files(path, source))


@cache
def source_stamp(path: Path) -> str:
    """Hash of a file of the core, of all files of the core it reaches by import, and of the compiler's flags."""
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
    """By file and flags, not by content: a changed source replaces its old machine code instead of joining it."""
    return hashlib.sha256(repr((str(file), _flags())).encode()).hexdigest()[:10]


class _StampedLocator(caching._CacheLocator):  # type: ignore[misc]  # numba ships no types
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
    if library._shared_module is None:
        library._shared_module = llvm.parse_bitcode(bitcode)
    return library._shared_module


class _Reader:
    """What numba asks for a library when it rebuilds a cached function.

    The library gets its machine code; its intermediate code is left unread until somebody links it. numba reads both:
    150 MB and a third of the start of a run, for code that is only ever called.
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
        # The engine gives out addresses of symbols it knows to be defined, and would learn them from the bitcode.
        target._engine._defined_symbols.update(self._symbols)
        library._get_module_for_linking = partial(_parse_when_linked, library, bitcode)
        return library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class _StampedImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]  # numba ships no types
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
    """Whether the cache holds machine code of a ``compiled`` function of a file, for its sources as they are now."""
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
    """Have ``listener`` called once, before the first function that the cache does not hold is compiled.

    It hears whether the cache will keep what is compiled now. To be asked for before the rest of the core is imported,
    because that is when functions are compiled or found.
    """
    _listeners.append(listener)


def _tell_listeners(is_kept: bool) -> None:
    while _listeners:
        _listeners.pop()(is_kept)


def watch_compiling(watcher: Callable[[str | None], None]) -> None:
    """Have ``watcher`` called with the name of every function that is compiled, before it is, and with None after."""
    _watchers.append(watcher)


def _name_of(function: Callable[..., Any]) -> str:
    """As people find it: replay.replay."""
    assert function.__module__, "a function of the core stands in a file"
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"


def _tell_watchers(name: str | None) -> None:
    for watcher in _watchers:
        watcher(name)


class _StampedCache(caching.FunctionCache):  # type: ignore[misc]  # numba ships no types
    _impl_class = _StampedImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = None
        try:
            found = super().load_overload(sig, target_context)
        except (pickle.UnpicklingError, EOFError):
            # A damaged file, as a full disk leaves it, is no reason to fail at every start: forget it, compile again.
            self.flush()
        if found is None:
            _tell_listeners(True)
            _tell_watchers(_name_of(self._py_func))
        return found


class _Row(np.record):  # type: ignore[misc]  # numpy lets a dtype name its own kind of row
    """A row whose fields are attributes before anything else is: numpy's own rows take ``base`` for their memory."""

    def __getattribute__(self, name: str) -> Any:
        fields = np.void.__getattribute__(self, "dtype").fields
        if fields is None or name not in fields:
            return np.void.__getattribute__(self, name)
        found = self.getfield(*fields[name][:2])
        return found.view(np.dtype((_Row, found.dtype))) if found.dtype.names else found

    def __setattr__(self, name: str, value: Any) -> None:
        self.setfield(value, *self.dtype.fields[name][:2])  # type: ignore[index]  # rows have fields


def as_rows(array: Any) -> Any:
    """A structured array, or one element of it, whose fields are attributes; the same memory."""
    if isinstance(array, _Row) or getattr(getattr(array, "dtype", None), "names", None) is None:
        return array
    if isinstance(array, np.void):
        return np.frombuffer(array, array.dtype).view(np.dtype((_Row, array.dtype)))[0]
    return array.view(np.dtype((_Row, array.dtype)))


def _interpreted(function: F) -> F:
    """The function as plain Python: fields of records are attributes, arithmetic is silent as that of the processor."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*(as_rows(argument) for argument in arguments))

    return cast(F, call)


def compiled(signature: Signature, *, nogil: bool = False) -> Callable[[F], F]:
    """Compile a function for one explicit signature, now, from the cache when its sources are unchanged.

    An unwritable cache folder costs a compile at every start, never a failure.
    """

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
    """What a ``compiled`` function is called by, without a look at the types of its arguments: they must be right.

    A third of the cost of a call from Python that is made for every bar.
    """
    if DISABLE_JIT:
        return function
    return function.overloads[function.signatures[0]].entry_point


def address_of(function: Any) -> Any:
    """The native address of a ``compiled`` function; the function itself when the compiler is off."""
    if DISABLE_JIT:
        return function
    result = function.overloads[function.signatures[0]]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


def address_table(functions: list[Any]) -> Any:
    """A table the step calls through: int64 addresses, or a list of functions when the compiler is off."""
    if DISABLE_JIT:
        return list(functions)
    return np.array([address_of(function) for function in functions] or [0], ADDRESS)


def caller(*signatures: Signature) -> Any:
    """A compiled way to call ``address`` as a function of a signature: ``call(address, *arguments)``.

    Of several signatures of one length, the one that fits the arguments. Exceptions of the callee (a failed assert)
    come out as they would from a direct call.
    """
    if DISABLE_JIT:
        return lambda function, *arguments: function(*arguments)

    by_arguments = {found.args: found for found in map(_machine_signature, signatures)}

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
        """The 64 bits of a float as an unsigned integer."""
        return np.uint64(struct.unpack("<Q", struct.pack("<d", value))[0])

else:

    @intrinsic
    def float_bits(context: Any, value: Any) -> Any:
        """The 64 bits of a float as an unsigned integer."""

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.IntType(64))

        return types.uint64(types.float64), generate


if DISABLE_JIT:

    def word_at(record: Any, index: int) -> Any:
        """The 64-bit word at ``index`` of a record's memory."""
        return np.frombuffer(record, np.uint64)[index]

else:

    @intrinsic
    def word_at(context: Any, record: Any, index: Any) -> Any:
        """The 64-bit word at ``index`` of a record's memory."""

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            words = builder.bitcast(arguments[0], ir.IntType(64).as_pointer())
            return builder.load(builder.gep(words, [arguments[1]]))

        return types.uint64(record, types.int64), generate
