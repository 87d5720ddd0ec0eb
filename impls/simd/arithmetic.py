"""Arithmetic on vectors: lane by lane, across the lanes, and between number formats."""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from ..numba_math import _LARGEST, _LN_2_HIGH, _LN_2_LOW, _LOG2_E, _SMALLEST
from .vectors import (
    BF16,
    BF16_HALF,
    F32,
    F32_HALF,
    I8_QUARTER,
    I32,
    I32_HALF,
    U8,
    called,
    constant,
    expect,
    fused,
    llvm_type,
    splat,
)


def _operation(name, arity, kind_of, emit):
    """The intrinsic `name` of `arity` vectors that emits `emit(builder, *values)`; `kind_of(*given)` is its result.

    It also takes rows, tuples of vectors (`simd_rows`), and then gives rows.
    """

    def typed(*given):
        rows = {kind.count for kind in given if isinstance(kind, types.UniTuple)}
        result = kind_of(*(kind.dtype if rows else kind for kind in given))
        expect(result is not None and len(rows) <= 1, name, *given)
        if not rows:
            return result(*given), lambda context, builder, signature, values: emit(builder, *values)

        def generate(context, builder, signature, values):
            results = [emit(builder, *(builder.extract_value(value, i) for value in values)) for i in range(*rows)]
            return context.make_tuple(builder, signature.return_type, results)

        return types.UniTuple(result, *rows)(*given), generate

    def unary(typing, a):
        return typed(a)

    def binary(typing, a, b):
        return typed(a, b)

    def ternary(typing, a, b, c):
        return typed(a, b, c)

    operation = (unary, binary, ternary)[arity - 1]
    operation.__name__ = name
    return intrinsic(operation)


def _lanewise(name, arity, emit, *kinds):
    """An operation on vectors of one of `kinds` that gives another one of it."""

    def kind_of(first, *others):
        return first if first in kinds and all(other == first for other in others) else None

    return _operation(name, arity, kind_of, emit)


def _conversion(name, source, target, emit):
    return _operation(name, 1, lambda given: target if given == source else None, emit)


def _either(on_floats, on_integers):
    """The instruction for the element type at hand."""

    def emit(builder, a, b):
        floats = isinstance(a.type.element, ir.FloatType)
        return getattr(builder, on_floats if floats else on_integers)(a, b)

    return emit


def greater(builder, a, b):
    floats = isinstance(a.type.element, ir.FloatType)
    return builder.select((builder.fcmp_ordered if floats else builder.icmp_signed)(">", a, b), a, b)


def _less(builder, a, b):
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


added = _either("fadd", "add")

add = _lanewise("add", 2, added, F32, I32)
subtract = _lanewise("subtract", 2, _either("fsub", "sub"), F32, I32)
multiply = _lanewise("multiply", 2, _either("fmul", "mul"), F32, I32)
divide = _lanewise("divide", 2, lambda builder, a, b: builder.fdiv(a, b), F32)
# Where either is NaN, the second.
maximum = _lanewise("maximum", 2, greater, F32, I32)
minimum = _lanewise("minimum", 2, _less, F32)
# `a * b + c`, rounded once.
fma = _lanewise("fma", 3, fused, F32)
absolute = _lanewise("absolute", 1, lambda builder, a: called(builder, "llvm.fabs.v16f32", a.type, [a]), F32)
# To the nearest whole number, halves to even.
rounded = _lanewise("rounded", 1, lambda builder, a: called(builder, "llvm.rint.v16f32", a.type, [a]), F32)


def _across(name, combine):
    """An operation that folds the upper half of the lanes onto the lower until one is left."""

    def emit(builder, vector):
        lanes = vector.type.count
        nothing = ir.Constant(vector.type, ir.Undefined)
        while lanes > 1:
            lanes //= 2
            upper = ir.Constant(ir.VectorType(ir.IntType(32), 16), [*range(lanes, 2 * lanes), *range(16 - lanes)])
            vector = combine(builder, vector, builder.shuffle_vector(vector, nothing, upper))
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def element_of(given):
        return given.element if given in (F32, I32) else None

    return _operation(name, 1, element_of, emit)


horizontal_sum = _across("horizontal_sum", added)
horizontal_maximum = _across("horizontal_maximum", greater)


# Formats.


def _shifted(builder, vector, count):
    return builder.lshr(vector, constant(vector.type, count))


def _to_bf16(builder, vector):
    bits = builder.bitcast(vector, llvm_type(I32))
    upper = _shifted(builder, bits, 16)
    # Half of the last place kept, less one where that place is even: halves go to even.
    bias = builder.add(builder.and_(upper, constant(bits.type, 1)), constant(bits.type, 0x7FFF))
    nearest = _shifted(builder, builder.add(bits, bias), 16)
    # Adding to the bits of a NaN could make an infinity; setting the top bit of its fraction cannot.
    quiet = builder.or_(upper, constant(bits.type, 0x40))
    chosen = builder.select(builder.fcmp_unordered("uno", vector, vector), quiet, nearest)
    return builder.trunc(chosen, llvm_type(BF16_HALF))


def _lower(builder, pairs):
    bits = builder.bitcast(pairs, llvm_type(I32))
    return builder.bitcast(builder.shl(bits, constant(bits.type, 16)), llvm_type(F32))


def _upper(builder, pairs):
    bits = builder.bitcast(pairs, llvm_type(I32))
    return builder.bitcast(builder.and_(bits, constant(bits.type, 0xFFFF0000)), llvm_type(F32))


def _lower_lanes(builder, vector):
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), 8), list(range(8)))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), lanes)


to_float = _conversion("to_float", I32, F32, lambda builder, a: builder.sitofp(a, llvm_type(F32)))
# Towards zero; of what is out of range, or NaN, nothing is promised.
to_int = _conversion("to_int", F32, I32, lambda builder, a: builder.fptosi(a, llvm_type(I32)))
# The lowest 8 bits of each.
to_int8 = _conversion("to_int8", I32, I8_QUARTER, lambda builder, a: builder.trunc(a, llvm_type(I8_QUARTER)))
# To the nearest bf16, halves to even, as uint16.
to_bf16 = _conversion("to_bf16", F32, BF16_HALF, _to_bf16)
# Of pairs of bf16, the first of each and the second of each, exactly.
first_of_pairs = _conversion("first_of_pairs", BF16, F32, _lower)
second_of_pairs = _conversion("second_of_pairs", BF16, F32, _upper)
# Of bytes that hold two 4-bit numbers each, the lower, and 16 times the higher: x86 shifts no bytes.
low_nibbles = _conversion("low_nibbles", U8, U8, lambda builder, a: builder.and_(a, constant(a.type, 0x0F)))
high_nibbles_by_16 = _conversion(
    "high_nibbles_by_16", U8, U8, lambda builder, a: builder.and_(a, constant(a.type, 0xF0))
)
# The first 8 lanes.
lower_half = _operation("lower_half", 1, lambda given: {F32: F32_HALF, I32: I32_HALF}.get(given), _lower_lanes)
# The bits of one as the other.
float_bits = _conversion("float_bits", F32, I32, lambda builder, a: builder.bitcast(a, llvm_type(I32)))
from_bits = _conversion("from_bits", I32, F32, lambda builder, a: builder.bitcast(a, llvm_type(F32)))
_power_of_two = _conversion(
    "_power_of_two", I32, F32, lambda builder, a: builder.bitcast(builder.shl(a, constant(a.type, 23)), llvm_type(F32))
)
_zero_below_smallest = _lanewise(
    "_zero_below_smallest",
    2,
    lambda builder, x, result: builder.select(
        builder.fcmp_ordered("<", x, constant(x.type, float(_SMALLEST))), constant(x.type, 0.0), result
    ),
    F32,
)


@njit
def exp(x):
    """`e**x` in each lane, as `numba_math.exp` computes it: 1 ulp, 0 below 2**-125, infinity above, NaN of NaN."""
    # NaN goes through, as the second of both.
    limited = minimum(splat(_LARGEST), maximum(splat(_SMALLEST), x))
    power = rounded(multiply(limited, splat(_LOG2_E)))
    rest = fma(power, splat(-_LN_2_HIGH), limited)
    rest = fma(power, splat(-_LN_2_LOW), rest)
    series = fma(splat(np.float32(1.9875691500e-4)), rest, splat(np.float32(1.3981999507e-3)))
    series = fma(series, rest, splat(np.float32(8.3334519073e-3)))
    series = fma(series, rest, splat(np.float32(4.1665795894e-2)))
    series = fma(series, rest, splat(np.float32(1.6666665459e-1)))
    series = fma(series, rest, splat(np.float32(5.0000001201e-1)))
    series = add(fma(series, multiply(rest, rest), rest), splat(np.float32(1)))
    half = _power_of_two(add(to_int(power), splat(np.int32(126))))
    return _zero_below_smallest(x, multiply(multiply(series, half), splat(np.float32(2))))
