"""Quantising and dequantising with vectors, to the bit as `quantisation` defines it."""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..quantisation import SMALLEST, STEP
from .arithmetic import divide, float_bits, multiply, rounded, to_int, to_int8
from .vectors import (
    F32,
    I32,
    called,
    constant,
    element_pointer,
    expect,
    is_array,
    llvm_type,
    load,
    load_as,
    load_first,
    splat,
    store,
    store_first,
)

LANES = 16
_BYTES = ir.VectorType(ir.IntType(8), LANES)


@intrinsic
def larger_magnitude(typing, sofar, bits):
    """In each lane the larger of `sofar` and the bits of a float32 without their sign: a NaN is larger than all."""
    expect((sofar, bits) == (I32, I32), "larger_magnitude", sofar, bits)

    def generate(context, builder, signature, values):
        magnitude = builder.and_(values[1], constant(llvm_type(I32), 0x7FFFFFFF))
        return builder.select(builder.icmp_signed(">", magnitude, values[0]), magnitude, values[0])

    return I32(sofar, bits), generate


@intrinsic
def largest_as_float(typing, bits):
    """The largest lane, as the float32 of these bits."""
    expect(bits == I32, "largest_as_float", bits)

    def generate(context, builder, signature, values):
        found = called(builder, "llvm.vector.reduce.smax.v16i32", ir.IntType(32), [values[0]])
        return builder.bitcast(found, ir.FloatType())

    return types.float32(bits), generate


@intrinsic
def largest_of_four(typing, a, b, c, d):
    """The largest lane of each vector in four lanes of one, as the float32 of these bits."""
    expect((a, b, c, d) == (I32,) * 4, "largest_of_four", a, b, c, d)

    def generate(context, builder, signature, values):
        def folded(one, other, width):
            """The halves of each `width` lanes set one above the other: those of `one`, then those of `other`."""
            firsts = [lane for lane in range(2 * LANES) if lane % width < width // 2]
            lower, upper = (_lanes_of(builder, one, other, [lane + k for lane in firsts]) for k in (0, width // 2))
            return builder.select(builder.icmp_signed(">", lower, upper), lower, upper)

        a, b, c, d = values
        four = folded(folded(a, b, 16), folded(c, d, 16), 8)
        for distance in (2, 1):
            other = _lanes_of(builder, four, four, [lane ^ distance for lane in range(LANES)])
            four = builder.select(builder.icmp_signed(">", four, other), four, other)
        return builder.bitcast(four, llvm_type(F32))

    return F32(a, b, c, d), generate


def _lanes_of(builder, one, other, lanes):
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _quarter(name, number):
    """An operation that puts the first of a quarter's four lanes into all."""

    def operation(typing, vector):
        expect(vector == F32, name, vector)

        def generate(context, builder, signature, values):
            return _lanes_of(builder, values[0], values[0], [4 * number] * LANES)

        return F32(vector), generate

    operation.__name__ = name
    return intrinsic(operation)


_first, _second, _third, _fourth = (_quarter(f"quarter_{number}", number) for number in range(4))


@intrinsic
def _zero_where_small(typing, vector, size):
    """`vector`, but 0 where `size` is below SMALLEST."""
    expect((vector, size) == (F32, F32), "zero_where_small", vector, size)

    def generate(context, builder, signature, values):
        small = builder.fcmp_ordered("<", values[1], constant(llvm_type(F32), float(SMALLEST)))
        return builder.select(small, constant(llvm_type(F32), 0.0), values[0])

    return F32(vector, size), generate


@intrinsic
def _store_quarters(typing, array, index, vector):
    """The first lane of each quarter to four elements from `index` on."""
    expect(is_array(array, types.float32) and vector == F32, "store_quarters", array, index, vector)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        four = _lanes_of(builder, values[2], values[2], [0, 4, 8, 12])
        builder.store(four, builder.bitcast(pointer, four.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@intrinsic
def _nearest(typing, vector):
    """The nearest int32 of each, halves to even; of what is out of range, or NaN, nothing is promised."""
    expect(vector == F32, "nearest", vector)

    def generate(context, builder, signature, values):
        return called(builder, "llvm.lrint.v16i32.v16f32", llvm_type(I32), values)

    return I32(vector), generate


@intrinsic
def load_int8(typing, array, index):
    """16 signed bytes from `index` on, as float32."""
    expect(is_array(array, types.int8), "load_int8", array, index)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        wide = builder.sext(load_as(builder, pointer, _BYTES, 1), llvm_type(I32))
        return builder.sitofp(wide, llvm_type(F32))

    return F32(array, index), generate


@intrinsic
def load_first_int8(typing, array, index, count):
    """As `load_int8`, reading `count` bytes only; 0 in the other lanes."""
    expect(is_array(array, types.int8), "load_first_int8", array, index, count)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        vector = cgutils.alloca_once_value(builder, constant(llvm_type(F32), 0.0))
        with cgutils.for_range(builder, context.cast(builder, values[2], signature.args[2], types.intp)) as loop:
            value = builder.sitofp(builder.load(builder.gep(pointer, [loop.index])), ir.FloatType())
            lane = builder.trunc(loop.index, ir.IntType(32))
            builder.store(builder.insert_element(builder.load(vector), value, lane), vector)
        return builder.load(vector)

    return F32(array, index, count), generate


@njit(error_model="numpy", forceinline=True)
def quantised_group(x, start, count, result, target):
    """The scale of `x[start : start + count]`, whose bytes go to `result` from `target` on."""
    vectors, rest = count // LANES, count % LANES
    end = vectors * LANES
    magnitudes = splat(np.int32(0))
    for vector in range(vectors):
        magnitudes = larger_magnitude(magnitudes, float_bits(load(x, start + vector * LANES)))
    if rest:
        magnitudes = larger_magnitude(magnitudes, float_bits(load_first(x, start + end, rest)))
    largest = largest_as_float(magnitudes)
    scale = largest * STEP
    inverse = np.float32(1) / scale
    if largest < SMALLEST:
        scale = inverse = np.float32(0)
    factor = splat(inverse)
    for vector in range(vectors):
        numbers = rounded(multiply(load(x, start + vector * LANES), factor))
        store(result, target + vector * LANES, to_int8(to_int(numbers)))
    if rest:
        numbers = rounded(multiply(load_first(x, start + end, rest), factor))
        store_first(result, target + end, to_int8(to_int(numbers)), rest)
    return scale


@njit(forceinline=True)
def _magnitudes(x, start):
    """The larger of each two magnitudes, 16 elements apart, of 32."""
    first = larger_magnitude(splat(np.int32(0)), float_bits(load(x, start)))
    return larger_magnitude(first, float_bits(load(x, start + LANES)))


@njit(forceinline=True)
def _store_bytes(x, start, factor, result):
    store(result, start, to_int8(_nearest(multiply(load(x, start), factor))))
    store(result, start + LANES, to_int8(_nearest(multiply(load(x, start + LANES), factor))))


@njit(error_model="numpy", forceinline=True)
def quantised_four_groups(x, start, result, scales, group):
    """As `quantised_group` of four times 32, the scales to `scales` from `group` on.

    The four share the steps from the largest magnitude to the factor, which are most of what one takes alone.
    """
    a, b = _magnitudes(x, start), _magnitudes(x, start + 2 * LANES)
    c, d = _magnitudes(x, start + 4 * LANES), _magnitudes(x, start + 6 * LANES)
    largest = largest_of_four(a, b, c, d)
    scale = multiply(largest, splat(STEP))
    inverse = _zero_where_small(divide(splat(np.float32(1)), scale), largest)
    _store_quarters(scales, group, _zero_where_small(scale, largest))
    _store_bytes(x, start, _first(inverse), result)
    _store_bytes(x, start + 2 * LANES, _second(inverse), result)
    _store_bytes(x, start + 4 * LANES, _third(inverse), result)
    _store_bytes(x, start + 6 * LANES, _fourth(inverse), result)


@njit(forceinline=True)
def dequantised_group(quantised, start, count, scale, result, target):
    """`count` bytes from `start` on times their scale, to `result` from `target` on."""
    vectors, rest = count // LANES, count % LANES
    end = vectors * LANES
    factor = splat(scale)
    for vector in range(vectors):
        store(result, target + vector * LANES, multiply(load_int8(quantised, start + vector * LANES), factor))
    if rest:
        numbers = load_first_int8(quantised, start + end, rest)
        store_first(result, target + end, multiply(numbers, factor), rest)
