"""Elements by the address that an array begins at: loads and stores of vectors, and asking for cache lines ahead."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import (
    BF16,
    BF16_HALF,
    F32,
    F32_HALF,
    I32,
    called,
    constant,
    element_pointer,
    expect,
    is_array,
    llvm_type,
    load_as,
)

LANES, HALF = 16, 8


@intrinsic
def start_of(typing, array):
    """The address of an array's first element, for use in its place.

    Around calls Numba counts the references to an array, atomically, and keeps no vector in a register meanwhile: of a
    row of 256 that was half the time. What is addressed is to be kept alive by the caller.
    """
    expect(is_array(array, types.float32, types.uint16, types.int32), "start_of", array)

    def generate(context, builder, signature, values):
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), generate


def is_start(kind):
    return isinstance(kind, types.CPointer) and kind.dtype in (types.float32, types.uint16)


def _address(context, builder, signature, values):
    """Of the element that the first two arguments, array or start and index, stand for."""
    if isinstance(signature.args[0], types.Array):
        return element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
    return builder.gep(values[0], [context.cast(builder, values[1], signature.args[1], types.intp)])


@intrinsic
def load_at(typing, start, index):
    expect(is_start(start), "read", start, index)

    def generate(context, builder, signature, values):
        pointer = _address(context, builder, signature, values)
        if start.dtype == types.float32:
            return load_as(builder, pointer, llvm_type(F32), 4)
        bits = builder.zext(load_as(builder, pointer, llvm_type(BF16_HALF), 2), llvm_type(I32))
        return builder.bitcast(builder.shl(bits, constant(llvm_type(I32), 16)), llvm_type(F32))

    return F32(start, index), generate


@intrinsic
def load_half_at(typing, start, index):
    """Half a vector of float32."""
    expect(is_start(start) and start.dtype == types.float32, "load_half_at", start, index)

    def generate(context, builder, signature, values):
        return load_as(builder, _address(context, builder, signature, values), llvm_type(F32_HALF), 4)

    return F32_HALF(start, index), generate


@intrinsic
def load_pairs_at(typing, start, index):
    expect(is_start(start) and start.dtype == types.uint16, "read_two", start, index)

    def generate(context, builder, signature, values):
        return load_as(builder, _address(context, builder, signature, values), llvm_type(BF16), 2)

    return BF16(start, index), generate


@intrinsic
def store_at(typing, start, index, vector):
    expect(is_start(start) and vector.element == start.dtype, "write", start, index, vector)

    def generate(context, builder, signature, values):
        target = builder.bitcast(_address(context, builder, signature, values), values[2].type.as_pointer())
        builder.store(values[2], target, align=start.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(start, index, vector), generate


@intrinsic
def store_first_at(typing, start, index, vector, count):
    expect(is_start(start) and vector.element == start.dtype, "write_first", start, index, vector, count)

    def generate(context, builder, signature, values):
        pointer = _address(context, builder, signature, values)
        limit = context.cast(builder, values[3], signature.args[3], types.intp)
        with cgutils.for_range(builder, limit) as loop:
            value = builder.extract_element(values[2], builder.trunc(loop.index, ir.IntType(32)))
            builder.store(value, builder.gep(pointer, [loop.index]))
        return context.get_dummy_value()

    return types.void(start, index, vector, count), generate


def _prefetch(name, for_writing, locality):
    def operation(typing, array, index):
        if not is_start(array):
            return None

        def generate(context, builder, signature, values):
            pointer = _address(context, builder, signature, values)
            options = [ir.Constant(ir.IntType(32), value) for value in (for_writing, locality, 1)]
            address = builder.bitcast(pointer, ir.IntType(8).as_pointer())
            called(builder, "llvm.prefetch.p0", ir.VoidType(), [address, *options])
            return context.get_dummy_value()

        return types.void(array, index), generate

    operation.__name__ = name
    return intrinsic(operation)


# Ask for the cache line that holds the element at an index, which may lie beyond the array, to be read or to be
# written: a write waits as long for its line as a read does. Or to be read later, and held in the second cache until.
prefetch_to_read = _prefetch("prefetch_to_read", 0, 3)
prefetch_to_write = _prefetch("prefetch_to_write", 1, 3)
prefetch_to_second = _prefetch("prefetch_to_second", 0, 2)


@intrinsic
def load_first(typing, array, index, count, other):
    given = array, index, count, other
    known = is_array(array, types.float32, types.uint16) or is_start(array)
    expect(known and other == types.float32, "read_first", *given)

    def generate(context, builder, signature, values):
        pointer = _address(context, builder, signature, values)
        vector = cgutils.alloca_once(builder, llvm_type(F32))
        lanes = constant(llvm_type(F32), 0.0)
        for lane in range(LANES):
            lanes = builder.insert_element(lanes, values[3], ir.Constant(ir.IntType(32), lane))
        builder.store(lanes, vector)
        with cgutils.for_range(builder, context.cast(builder, values[2], signature.args[2], types.intp)) as loop:
            value = builder.load(builder.gep(pointer, [loop.index]))
            if array.dtype == types.uint16:
                bits = builder.shl(builder.zext(value, ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
                value = builder.bitcast(bits, ir.FloatType())
            lane = builder.trunc(loop.index, ir.IntType(32))
            builder.store(builder.insert_element(builder.load(vector), value, lane), vector)
        return builder.load(vector)

    return F32(*given), generate


@intrinsic
def lanes_above_minus_infinity(typing, vector):
    """A bit for each lane that is not -inf, NaN among them."""
    expect(vector == F32, "lanes_above_minus_infinity", vector)

    def generate(context, builder, signature, values):
        above = builder.fcmp_unordered("!=", values[0], constant(llvm_type(F32), float("-inf")))
        return builder.bitcast(above, ir.IntType(LANES))

    return types.uint16(vector), generate
