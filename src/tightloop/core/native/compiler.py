"""The compiler: numba with our cache, our options, and calls through addresses. Imported when something is compiled.

Cache. numba's own cache validates against the modification time of one file, so a change in an imported file goes
unnoticed. This one validates against a content hash of the file, of every file of the core it reaches by import, and of
the compiler flags. A fresh clone or a ``touch`` recompiles nothing.

Tiers. Fast code takes a minute or two: LLVM inlines what every event passes, at its highest level. Who waits for a
first result asks for the first tier: nothing is forced inline, level 2 with a higher threshold; half of the time, a
third less speed. What the cache holds as fast code is used in any case. Results are the same to the bit: no tier
reorders arithmetic.

This file relies on internals of numba (it patches ``codegen``, ``callconv`` and ``arrayobj``): check it at every numba
upgrade.
"""

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.core import caching, callconv, codegen
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np import arrayobj, numpy_support

from tightloop.core.kinds import Array, Kind, Scalar, Signature
from tightloop.core.native import stamps

PACKAGE_DIR = stamps.CORE_DIR.parents[1]

# Division by zero gives inf or NaN (IEEE 754); code that divides handles it. Python's error model would add a branch
# and an exception path to every division.
ERROR_MODEL = "numpy"

# Nothing in the core allocates, so reference counting (numba's NRT), which would dominate most functions, is off.
_OPTIONS: dict[str, Any] = {"error_model": ERROR_MODEL, "_nrt": False}


FIRST_LEVEL, FIRST_THRESHOLD = 2, 600
"""Level of optimisation and cost below which LLVM inlines in the first tier: the best of those that were tried."""


class _Tier:
    """Which tier this process compiles for, and which one the cache is asked for at this moment."""

    is_first = False
    is_asked_for_first = False


def use_first_tier() -> None:
    """Compile quickly from now on, in this process."""
    if not _Tier.is_first:
        _Tier.is_first = True
        numba.config.OPT = type(numba.config.OPT)(FIRST_LEVEL)
        llvm.set_option("tightloop", f"-inline-threshold={FIRST_THRESHOLD}")


_FAST_LEVEL = str(numba.config.OPT)


def flags() -> tuple[object, ...]:
    """Return all that decides about machine code beside the sources and the CPU."""
    level = f"first {FIRST_LEVEL} {FIRST_THRESHOLD}" if _Tier.is_asked_for_first else _FAST_LEVEL
    return numba.__version__, np.__version__, ERROR_MODEL, numba.config.BOUNDSCHECK, level


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


_OPTIMISE = codegen.CPUCodeLibrary._optimize_final_module


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


def _relative_location(convention: Any, exc: Any, exc_args: Any, loc: Any, func_name: str) -> Any:
    """Build what a failed assertion says: its file relative to the package, so machine code names no folder."""
    kind, arguments, place = _BUILD_EXCINFO(convention, exc, exc_args, loc, func_name)
    if place is not None:
        function, file, line = place
        path = Path(file)
        place = (function, path.relative_to(PACKAGE_DIR).as_posix() if path.is_relative_to(PACKAGE_DIR) else file, line)
    return kind, arguments, place


_BUILD_EXCINFO = callconv.CPUCallConv.build_excinfo_struct
callconv.CPUCallConv.build_excinfo_struct = _relative_location


def part(function: Any, *, is_inlined: bool) -> Any:
    """Wrap a function that is compiled into its callers.

    By default numba optimises each function together with everything it calls, again at each level of the call tree:
    most of a minute for the step. Here parts stay unoptimised; a ``compiled`` function is optimised once with all its
    parts linked in.
    """
    # ``forceinline=False`` must be explicit: see ``compiled.leaf``.
    dispatcher = numba.njit(**_OPTIONS, forceinline=is_inlined and not _Tier.is_first)(function)
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


def source_stamp(path: Path) -> str:
    """Hash a file of the core, all files of the core it reaches by import, and the compiler flags."""
    named = [(stamps.name_of(file), stamps.content_hash(file)) for file in stamps.reached(path)]
    return hashlib.sha256(repr((flags(), named)).encode()).hexdigest()


def _disambiguator(file: Path) -> str:
    """Return a cache key of path and flags, not of content: new machine code then replaces the old."""
    return hashlib.sha256(repr((str(file), flags())).encode()).hexdigest()[:10]


class _StampedLocator(caching._CacheLocator):  # type: ignore[misc]  # numba ships no types
    """Tells numba where the cache is, and its validity stamp: ``source_stamp``."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._file = Path(py_file).resolve()

    def get_cache_path(self) -> str:
        return str(stamps.cache_dir())

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
        return bool(caching.IndexDataCacheFile(str(stamps.cache_dir()), base, source_stamp(file))._load_index())
    except (OSError, pickle.UnpicklingError, EOFError):
        return False


class _StampedCache(caching.FunctionCache):  # type: ignore[misc]  # numba ships no types
    """numba's function cache with our stamps; survives damaged files.

    Fast code is looked for first. A process of the first tier then looks for that, and keeps what it compiles there.
    """

    _impl_class = _StampedImpl

    def __init__(self, py_func: Callable[..., Any], compiling: Callable[[bool], None]) -> None:
        super().__init__(py_func)
        self._compiling = compiling
        self.is_first = False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        overload = self._found(sig, target_context)
        if overload is None and _Tier.is_first:
            _Tier.is_asked_for_first = self.is_first = True
            try:
                super().__init__(self._py_func)
            finally:
                _Tier.is_asked_for_first = False
            overload = self._found(sig, target_context)
        if overload is None:
            self._compiling(True)
        return overload

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; a folder that can no longer be written costs a compile at the next start.

        numba writes the index before the code: what is left of older sources must not stand under the new stamp when
        the process ends between the two.
        """
        cache = self._cache_file
        try:
            if not cache._load_index():
                for file in Path(cache._cache_path).glob(f"{cache._index_name.removesuffix('.nbi')}.*.nbc"):
                    file.unlink(missing_ok=True)
            super().save_overload(sig, data)
        except OSError:
            return

    def _found(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (pickle.UnpicklingError, EOFError):
            # A truncated file, e.g. after a full disk, must not fail every start: discard it and recompile.
            self.flush()
            return None


def compile_function(function: Any, signature: Signature, compiling: Callable[[bool], None], *, nogil: bool) -> Any:
    """Compile a function for one signature, or load it from the cache; in memory if that is not writable.

    ``compiling(is_kept)`` is called before it is compiled; ``is_kept``: whether the cache will hold it.
    """
    # Another function's compilation may ask for this one: nothing of the caller's options applies to it.
    dispatcher = numba.njit(nogil=nogil, forceinline=False, **_OPTIONS)(function)
    try:
        dispatcher._cache = _StampedCache(function, compiling)
    except RuntimeError:
        compiling(False)  # no writable folder: compile in memory
    optimise = codegen.CPUCodeLibrary._optimize_final_module
    codegen.CPUCodeLibrary._optimize_final_module = _OPTIMISE
    try:
        _compile(dispatcher.compile, _machine_signature(signature))
    finally:
        codegen.CPUCodeLibrary._optimize_final_module = optimise
    dispatcher.disable_compile()
    return dispatcher


def is_first_tier(dispatcher: Any) -> bool:
    """Tell whether a function is code of the first tier that the cache holds."""
    return bool(getattr(dispatcher._cache, "is_first", False))


def address_of(dispatcher: Any) -> int:
    """Return the address of the machine code of a compiled function."""
    result = dispatcher.overloads[dispatcher.signatures[0]]
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def entry_of(dispatcher: Any) -> Any:
    """Return an entry point of a compiled function without type dispatch, 30 % faster: types must match."""
    return dispatcher.overloads[dispatcher.signatures[0]].entry_point


def type_of_function(dispatcher: Any) -> Any:
    """Return the type by which compiled code calls a function."""
    return types.Dispatcher(dispatcher)


def type_of_intrinsic(function: Any) -> Any:
    """Return the type by which compiled code calls an intrinsic."""
    context = cpu_target.typing_context
    context.refresh()
    return context.resolve_value_type(function)


def caller(*signatures: Signature) -> Any:
    """Make a compiled ``call(address, *arguments)`` that calls the function at ``address``.

    Argument types select among several signatures of equal length. A failed assert of the callee propagates.
    """
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


@intrinsic
def float_bits(context: Any, value: Any) -> Any:
    """Return the bit pattern of a float as uint64."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.uint64(types.float64), generate


@intrinsic
def word_at(context: Any, record: Any, index: Any) -> Any:
    """Return 64-bit word number ``index`` of a record's memory."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        words = builder.bitcast(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(builder.gep(words, [arguments[1]]))

    return types.uint64(record, types.int64), generate


@intrinsic
def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c`` with a single rounding (fused multiply-add)."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate
