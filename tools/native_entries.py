"""How Python calls the functions of an image: the module of LLVM IR with two ways into each function.

``int32 tightloop_entry_K(words)`` takes everything in one block of 64-bit words (the layout is in
`core/native/call.py`). It serves every call and looks at no type.

``PyObject *tightloop_call_K(self, args, n)`` is a method of Python (METH_FASTCALL) for the usual case: each argument is
exactly an array of the expected dtype, contiguous and writable, or exactly an int or a float. It reads arrays as C
extensions do, by the layout of PyArrayObject, which numpy keeps. Any other argument goes to ``self[0]``, which looks
closely and calls the entry; a failed assertion goes to ``self[1]``, which raises it. What types are expected stands in
``tightloop_kinds_K``, which is filled when the image is loaded: a dtype or type for each argument, and numpy.ndarray.

Functions that take records have the first way alone: Python calls them once a run.
"""

from typing import Any

from llvmlite import ir
from numba import types

WORD, INT, BYTE, DOUBLE = ir.IntType(64), ir.IntType(32), ir.IntType(8), ir.DoubleType()
OBJECT = BYTE.as_pointer()
OBJECTS = OBJECT.as_pointer()

# Offsets in bytes of fields of CPython's and numpy's objects, builds with the global lock.
TYPE = 8
FLOAT_VALUE = 16
ARRAY_DATA, ARRAY_DIMENSIONS, ARRAY_SHAPE, ARRAY_DTYPE, ARRAY_FLAGS = 16, 24, 32, 56, 64
CONTIGUOUS_AND_WRITABLE = 0x0001 | 0x0400

_PYTHON = {
    "PyBool_FromLong": (OBJECT, [WORD]),
    "PyErr_Clear": (ir.VoidType(), []),
    "PyErr_Occurred": (OBJECT, []),
    "PyEval_RestoreThread": (ir.VoidType(), [OBJECT]),
    "PyEval_SaveThread": (OBJECT, []),
    "PyFloat_FromDouble": (OBJECT, [DOUBLE]),
    "PyLong_AsLongLong": (WORD, [OBJECT]),
    "PyLong_FromLongLong": (OBJECT, [WORD]),
    "PyLong_FromUnsignedLongLong": (OBJECT, [WORD]),
    "PyObject_Vectorcall": (OBJECT, [OBJECT, OBJECTS, WORD, OBJECT]),
    "PyTuple_GetItem": (OBJECT, [OBJECT, WORD]),
    "Py_DecRef": (ir.VoidType(), [OBJECT]),
    "Py_IncRef": (ir.VoidType(), [OBJECT]),
}


def module_of_entries(context: Any, functions: list[tuple[str, bool, Any]]) -> ir.Module:
    """Write the module; ``functions``: name, whether Python's lock is released, and what numba compiled."""
    module = ir.Module("entries")
    python = {name: ir.Function(module, ir.FunctionType(*kind), name) for name, kind in _PYTHON.items()}
    none = ir.GlobalVariable(module, BYTE, "_Py_NoneStruct")
    for number, (name, nogil, result) in enumerate(functions):
        entry = _entry(module, context, number, name, result)
        if not any(isinstance(argument, types.Record) for argument in result.signature.args):
            _Method(module, python, none, number, result.signature, entry, nogil=nogil).write()
    return module


def _entry(module: ir.Module, context: Any, number: int, name: str, result: Any) -> ir.Function:
    """Write the function that takes one block of words."""
    signature = result.signature
    kind = context.call_conv.get_function_type(signature.return_type, signature.args)
    target = ir.Function(module, kind, result.fndesc.llvm_func_name)
    entry = ir.Function(module, ir.FunctionType(INT, [WORD.as_pointer()]), f"tightloop_entry_{number}")
    builder = ir.IRBuilder(entry.append_basic_block())
    words = entry.args[0]
    arguments = [builder.bitcast(words, kind.args[0]), builder.bitcast(builder.gep(words, [WORD(1)]), kind.args[1])]
    at, place = 2, 2
    for argument in signature.args:
        wanted, taken = kind.args[place:], 1
        read = [builder.load(builder.gep(words, [WORD(at + k)])) for k in range(1 + getattr(argument, "ndim", 0))]
        if isinstance(argument, types.Array):
            made, taken = _array(builder, context, argument, read), 5 + 2 * argument.ndim
        elif isinstance(argument, types.Float):
            made = [builder.bitcast(read[0], wanted[0])]
        elif isinstance(argument, types.Record):
            made = [builder.inttoptr(read[0], wanted[0])]
        else:
            made = [builder.trunc(read[0], wanted[0]) if wanted[0] != WORD else read[0]]
        arguments += [_as(builder, value, wanted[k]) for k, value in enumerate(made)]
        at, place = at + len(read), place + taken
    assert place == len(kind.args), f"{name}: {place} of {len(kind.args)} arguments"
    builder.ret(builder.call(target, arguments))
    return entry


def _as(builder: Any, value: Any, kind: Any) -> Any:
    """Convert a word to a pointer where one is expected."""
    return builder.inttoptr(value, kind) if getattr(kind, "is_pointer", False) and value.type != kind else value


def _array(builder: Any, context: Any, kind: Any, read: list[Any]) -> list[Any]:
    """Return the arguments of an array: no owner, length, size of an element, address, lengths and strides."""
    address, *shape = read
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    count = shape[0]
    for length in shape[1:]:
        count = builder.mul(count, length)
    strides: list[Any] = []
    stride: Any = WORD(size)
    for length in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, length)
    return [WORD(0), WORD(0), count, WORD(size), address, *shape, *strides]


class _Method:
    """The method of one function."""

    def __init__(
        self, module: ir.Module, python: dict[str, ir.Function], none: Any, number: int, signature: Any, entry: Any,
        *, nogil: bool,
    ) -> None:  # fmt: skip
        self._python, self._none, self._signature = python, none, signature
        self._entry, self._nogil = entry, nogil
        expected = ir.ArrayType(WORD, len(signature.args) + 1)
        self._kinds = ir.GlobalVariable(module, expected, f"tightloop_kinds_{number}")
        self._kinds.initializer = ir.Constant(expected, None)
        kind = ir.FunctionType(OBJECT, [OBJECT, OBJECTS, WORD])
        self._function = ir.Function(module, kind, f"tightloop_call_{number}")
        self._self, self._args, self._count = self._function.args
        self._slow = self._function.append_basic_block("slow")
        self._builder = ir.IRBuilder(self._function.append_basic_block("fast"))

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._builder.call(self._python[name], arguments)

    def _unless_slow(self, condition: Any) -> None:
        """Go on if the condition holds, else look closely."""
        after = self._function.append_basic_block()
        self._builder.cbranch(condition, after, self._slow)
        self._builder.position_at_end(after)

    def _field(self, address: Any, offset: int, kind: Any) -> Any:
        """Read a field of an object, whose address is a word."""
        place = self._builder.add(address, WORD(offset))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()))

    def _kind(self, k: int) -> Any:
        return self._builder.load(self._builder.gep(self._kinds, [INT(0), INT(k)]))

    def write(self) -> None:
        """Write the function: read the arguments, call the entry, return what it returned."""
        b, arguments = self._builder, self._signature.args
        size = 2 + sum(1 + getattr(argument, "ndim", 0) for argument in arguments)
        self._function.blocks.remove(self._slow)
        self._function.blocks.append(self._slow)
        words = b.alloca(WORD, size)
        self._unless_slow(b.icmp_signed("==", self._count, WORD(len(arguments))))
        at = 2
        for k, argument in enumerate(arguments):
            value = b.ptrtoint(b.load(b.gep(self._args, [WORD(k)])), WORD)
            for word in self._words(k, value, argument, len(arguments)):
                b.store(word, b.gep(words, [WORD(at)]))
                at += 1
        b.store(WORD(0), b.gep(words, [WORD(0)]))
        thread = self._call("PyEval_SaveThread") if self._nogil else None
        status = b.call(self._entry, [words])
        if thread is not None:
            self._call("PyEval_RestoreThread", thread)
        with b.if_then(b.icmp_signed("!=", status, INT(0)), likely=False):
            self._raise(b.sext(status, WORD), b.load(b.gep(words, [WORD(1)])))
        b.ret(self._result(b.load(words)))
        b.position_at_end(self._slow)
        slow = self._call("PyTuple_GetItem", self._self, WORD(0))
        b.ret(self._call("PyObject_Vectorcall", slow, self._args, self._count, OBJECT(None)))

    def _words(self, k: int, value: Any, argument: Any, count: int) -> list[Any]:
        """Return the words of an argument whose type is the expected one."""
        b = self._builder
        expected = self._kind(count if isinstance(argument, types.Array) else k)
        self._unless_slow(b.icmp_unsigned("==", self._field(value, TYPE, WORD), expected))
        if isinstance(argument, types.Array):
            self._unless_slow(b.icmp_unsigned("==", self._field(value, ARRAY_DTYPE, WORD), self._kind(k)))
            self._unless_slow(b.icmp_signed("==", self._field(value, ARRAY_DIMENSIONS, INT), INT(argument.ndim)))
            flags = b.and_(self._field(value, ARRAY_FLAGS, INT), INT(CONTIGUOUS_AND_WRITABLE))
            self._unless_slow(b.icmp_signed("==", flags, INT(CONTIGUOUS_AND_WRITABLE)))
            shape = self._field(value, ARRAY_SHAPE, WORD)
            lengths = [self._field(shape, 8 * j, WORD) for j in range(argument.ndim)]
            return [self._field(value, ARRAY_DATA, WORD), *lengths]
        if isinstance(argument, types.Float):
            return [self._field(value, FLOAT_VALUE, WORD)]
        number = self._call("PyLong_AsLongLong", b.inttoptr(value, OBJECT))
        with b.if_then(b.icmp_signed("==", number, WORD(-1)), likely=False):
            self._unless_slow_cleared()
        return [number]

    def _unless_slow_cleared(self) -> None:
        """Go on unless an int was too large, which the slow way says better."""
        b = self._builder
        failed = b.icmp_unsigned("!=", b.ptrtoint(self._call("PyErr_Occurred"), WORD), WORD(0))
        with b.if_then(failed, likely=False):
            self._call("PyErr_Clear")
            b.branch(self._slow)

    def _raise(self, status: Any, pointer: Any) -> None:
        """Return what ``self[1](status, pointer)`` returns: nothing, as it raises."""
        b = self._builder
        told = b.alloca(OBJECT, 2)
        for k, value in enumerate((status, pointer)):
            b.store(self._call("PyLong_FromLongLong", value), b.gep(told, [WORD(k)]))
        raiser = self._call("PyTuple_GetItem", self._self, WORD(1))
        done = self._call("PyObject_Vectorcall", raiser, told, WORD(2), OBJECT(None))
        for k in range(2):
            self._call("Py_DecRef", b.load(b.gep(told, [WORD(k)])))
        b.ret(done)

    def _result(self, word: Any) -> Any:
        b, kind = self._builder, self._signature.return_type
        if kind == types.void:
            self._call("Py_IncRef", self._none)
            return self._none
        if kind == types.boolean:
            return self._call("PyBool_FromLong", b.and_(word, WORD(0xFF)))
        if kind == types.float64:
            return self._call("PyFloat_FromDouble", b.bitcast(word, DOUBLE))
        return self._call("PyLong_FromUnsignedLongLong" if kind == types.uint64 else "PyLong_FromLongLong", word)
