"""Quantising and dequantising with vectors, to the bit as `quantisation` defines it."""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from ..quantisation import SMALLEST, STEP
from .arithmetic import float_bits, multiply, rounded, to_int, to_int8
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
