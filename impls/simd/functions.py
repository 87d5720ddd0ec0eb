"""Exponentials and what is made of them, in each lane of a float32 vector."""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from .arithmetic import absolute, add, divide, fma, maximum, minimum, multiply, subtract
from .features import missing
from .vectors import F32, I32, called, constant, expect, llvm_type, splat

# log2 e in two parts: the second is what the first lacks.
_LOG2_E, _LOG2_E_REST = np.float32(1.442695), np.float32(1.925963e-08)
# Adding it leaves no place for a fraction: the last bits of the sum are the nearest whole number, plus float32's bias.
_WHOLE = np.float32(1.5 * 2**23 + 127)
# 2**-125: half of what lies below has fewer digits.
_SMALLEST = -86.64339
# 2**f = 1 + f * (...) for |f| <= 1/2 to 1.1e-7, the least that a polynomial of degree 5 can do; exactly 1 at 0.
_SERIES = tuple(map(np.float32, (0.6931470037, 0.2402224243, 0.05550733581, 0.009671512991, 0.00132647343)))


@intrinsic
def _times_power(typing, series, biased, x):
    """`series * 2**(the last 8 bits of biased - 127)`; 0 where `x` is too small."""
    expect((series, biased, x) == (F32, F32, F32), "_times_power", series, biased, x)

    def generate(context, builder, signature, values):
        bits = builder.shl(builder.bitcast(values[1], llvm_type(I32)), constant(llvm_type(I32), 23))
        product = builder.fmul(values[0], builder.bitcast(bits, llvm_type(F32)))
        # Unordered values are not below, so that NaN stays.
        below = builder.fcmp_ordered("<", values[2], constant(llvm_type(F32), _SMALLEST))
        return builder.select(below, ir.Constant(llvm_type(F32), [0.0] * 16), product)

    return F32(series, biased, x), generate


@njit
def exp_negative(x):
    """`e**x` for x <= 0 to 1 ulp: 0 below -86.6 (2**-125), NaN of NaN.

    Quicker than `simd_arithmetic.exp`, which must take care of large x.
    """
    biased = fma(x, splat(_LOG2_E), splat(_WHOLE))
    whole = subtract(biased, splat(_WHOLE))
    rest = fma(x, splat(_LOG2_E_REST), fma(x, splat(_LOG2_E), subtract(splat(np.float32(0)), whole)))
    series = splat(_SERIES[4])
    series = fma(series, rest, splat(_SERIES[3]))
    series = fma(series, rest, splat(_SERIES[2]))
    series = fma(series, rest, splat(_SERIES[1]))
    series = fma(series, rest, splat(_SERIES[0]))
    return _times_power(fma(series, rest, splat(np.float32(1))), biased, x)


# 2**f for 0 <= f < 1, to 1e-7.
_WHOLE_SERIES = tuple(map(np.float32, (0.6931512952, 0.2401644439, 0.05579991639, 0.009017026052, 0.001867131912)))


def _masked_instruction(name, *given):
    """An instruction of AVX-512 in LLVM's form, with all lanes on: operands, what else would stand there, the mask."""

    def emit(builder, first, *others):
        every, rounding = ir.Constant(ir.IntType(16), -1), ir.Constant(ir.IntType(32), 4)
        options = [ir.Constant(ir.IntType(32), value) for value in given]
        return called(builder, name, first.type, [first, *others, *options, first, every, rounding])

    return emit


_reduce = _masked_instruction("llvm.x86.avx512.mask.reduce.ps.512", 0b1001)
_scale = _masked_instruction("llvm.x86.avx512.mask.scalef.ps.512")


@intrinsic
def _fraction(typing, x):
    """`x - floor(x)`, 0 of an infinity."""
    expect(x == F32, "_fraction", x)
    return F32(x), lambda context, builder, signature, values: _reduce(builder, values[0])


@intrinsic
def _times_power_of_floor(typing, series, x):
    """`series * 2**floor(x)`."""
    expect((series, x) == (F32, F32), "_times_power_of_floor", series, x)
    return F32(series, x), lambda context, builder, signature, values: _scale(builder, *values)


@njit
def _exp_by_instructions(x):
    power = multiply(x, splat(_LOG2_E))
    fraction = _fraction(power)
    series = splat(_WHOLE_SERIES[4])
    series = fma(series, fraction, splat(_WHOLE_SERIES[3]))
    series = fma(series, fraction, splat(_WHOLE_SERIES[2]))
    series = fma(series, fraction, splat(_WHOLE_SERIES[1]))
    series = fma(series, fraction, splat(_WHOLE_SERIES[0]))
    return _times_power_of_floor(fma(series, fraction, splat(np.float32(1))), power)


# `e**x` for x <= 0 to 1 ulp of 1, not of the result: for sums whose largest term is 1. Where the CPU has the
# instructions, 8 in all, every one of which counts: a loop of 16 operations took 4.0 ns a vector, this one 3.2.
exp_share = exp_negative if missing(("avx512f", "avx512dq")) else _exp_by_instructions


@njit
def gated(x, gate):
    """`x / (1 + e**-gate)`, where the gate has the sign of x."""
    small = exp_negative(subtract(splat(np.float32(0)), absolute(gate)))
    positive, negative = maximum(splat(np.float32(0)), x), minimum(splat(np.float32(0)), x)
    return divide(fma(negative, small, positive), add(small, splat(np.float32(1))))


@njit
def silu(x):
    """`x / (1 + e**-x)`."""
    return gated(x, x)


@njit
def gelu_tanh(x):
    """`x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`: a gate, since (1 + tanh u) / 2 = 1 / (1 + e**-2u)."""
    cubic = fma(multiply(x, x), splat(np.float32(2 * 0.7978845608 * 0.044715)), splat(np.float32(2 * 0.7978845608)))
    return gated(x, multiply(x, cubic))


@njit
def gelu_erf(x):
    """`x * (1 + erf(x / sqrt(2))) / 2`; erf by Abramowitz and Stegun 7.1.26, to 1.5e-7."""
    size = absolute(x)
    t = divide(splat(np.float32(1)), fma(size, splat(np.float32(0.3275911 * 0.5**0.5)), splat(np.float32(1))))
    series = splat(np.float32(1.061405429 / 2))
    series = fma(series, t, splat(np.float32(-1.453152027 / 2)))
    series = fma(series, t, splat(np.float32(1.421413741 / 2)))
    series = fma(series, t, splat(np.float32(-0.284496736 / 2)))
    series = fma(series, t, splat(np.float32(0.254829592 / 2)))
    tail = exp_negative(multiply(multiply(x, x), splat(np.float32(-0.5))))
    # What is missing beyond 13 is nothing; without the limit infinity would be taken 0 times.
    missing = multiply(multiply(minimum(splat(np.float32(14)), size), multiply(series, t)), tail)
    return subtract(maximum(splat(np.float32(0)), x), missing)
