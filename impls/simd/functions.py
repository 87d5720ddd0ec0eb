"""Exponentials and what is made of them, in each lane of a float32 vector.

A name that ends in `_coarse` is to about 1e-4, a thirtieth of half a bf16's last place: for results that are bf16.
"""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from .arithmetic import absolute, add, divide, fma, maximum, minimum, multiply, subtract
from .features import missing
from .vectors import F32, I32, called, constant, expect, llvm_type, splat

# log2 e in two parts: the second is what the first lacks.
_LOG2_E, _LOG2_E_REST = np.float32(1.442695), np.float32(1.925963e-08)
# 1.9e-9 off, so that not even 128 of it are off by an ulp of 1.
_LN_2 = np.float32(0.6931471806)
_ZERO, _ONE = np.float32(0), np.float32(1)
# Adding it leaves no place for a fraction: the last bits of the sum are the nearest whole number, plus float32's bias.
_WHOLE = np.float32(1.5 * 2**23 + 127)
# 2**-125: half of what lies below has fewer digits.
_SMALLEST = -86.64339


def _coefficients(*values):
    return tuple(map(np.float32, values))


# Of polynomials without their constant, which is 1, by the lowest power first; each the best of its degree.
# 2**f for |f| <= 1/2, to 1.1e-7.
_NEAREST = _coefficients(0.6931470037, 0.2402224243, 0.05550733581, 0.009671512991, 0.00132647343)
# e**r for |r| <= ln 2 / 2, to 1e-7.
_NATURAL = _coefficients(0.9999997020, 0.4999915063, 0.1666763574, 0.04189793020, 0.008290315047)
# 2**f for 0 <= f < 1, to 1e-7 and to 9e-5.
_FLOOR = _coefficients(0.6931512952, 0.2401644439, 0.05579991639, 0.009017026052, 0.001867131912)
_FLOOR_COARSE = _coefficients(0.6951167583, 0.2276449949, 0.07706703991)
# log2 of twice the normal distribution's share below -a, so that the share is to 1.2e-7 and to 8e-6.
_SHARE = _coefficients(-1.151116848, -0.4590827525, -0.05292673409, 0.007724041584, -0.0006477570860, 1.775508463e-05)
_SHARE_COARSE = _coefficients(-1.150654912, -0.4617985487, -0.04830613359, 0.004782393575)


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
def _without_constant(coefficients, x):
    """`c[0] x + c[1] x**2 + ...` less its first factor x."""
    series = splat(coefficients[-1])
    for i in range(len(coefficients) - 2, -1, -1):
        series = fma(series, x, splat(coefficients[i]))
    return series


@njit
def exp_negative(x):
    """`e**x` for x <= 0 to 1 ulp: 0 below -86.6 (2**-125), NaN of NaN."""
    biased = fma(x, splat(_LOG2_E), splat(_WHOLE))
    whole = subtract(biased, splat(_WHOLE))
    rest = fma(x, splat(_LOG2_E_REST), fma(x, splat(_LOG2_E), subtract(splat(_ZERO), whole)))
    return _times_power(fma(_without_constant(_NEAREST, rest), rest, splat(_ONE)), biased, x)


def _masked_instruction(name, *given, rounding=(4,)):
    """An instruction of AVX-512 in LLVM's form, with all lanes on: operands, what else would stand there, the mask."""

    def emit(builder, first, *others):
        every = ir.Constant(ir.IntType(16), -1)
        options = [ir.Constant(ir.IntType(32), value) for value in given]
        modes = [ir.Constant(ir.IntType(32), value) for value in rounding]
        return called(builder, name, first.type, [first, *others, *options, first, every, *modes])

    return emit


_reduce = _masked_instruction("llvm.x86.avx512.mask.reduce.ps.512", 0b1001)
_round = _masked_instruction("llvm.x86.avx512.mask.rndscale.ps.512", 0b1000)
_scale = _masked_instruction("llvm.x86.avx512.mask.scalef.ps.512")
_estimate = _masked_instruction("llvm.x86.avx512.rcp14.ps.512", rounding=())


def _unary(name, emit):
    def operation(typing, x):
        expect(x == F32, name, x)
        return F32(x), lambda context, builder, signature, values: emit(builder, values[0])

    operation.__name__ = name
    return intrinsic(operation)


# `x - floor(x)`, 0 of an infinity.
_fraction = _unary("_fraction", _reduce)
# The nearest whole number.
_whole = _unary("_whole", _round)
# `1 / x` to 6e-5.
_reciprocal = _unary("_reciprocal", _estimate)


@intrinsic
def _times_power_of_floor(typing, series, x):
    """`series * 2**floor(x)`: 0 or infinity where it is out of range."""
    expect((series, x) == (F32, F32), "_times_power_of_floor", series, x)
    return F32(series, x), lambda context, builder, signature, values: _scale(builder, *values)


@njit
def _power_of_two(coefficients, x):
    """`2**x`, as exact as the polynomial; the rounding of x itself is not made up for."""
    fraction = _fraction(x)
    return _times_power_of_floor(fma(_without_constant(coefficients, fraction), fraction, splat(_ONE)), x)


@njit
def _exp_by_instructions(x):
    return _power_of_two(_FLOOR, multiply(x, splat(_LOG2_E)))


@njit
def _exp_coarse(x):
    return _power_of_two(_FLOOR_COARSE, multiply(x, splat(_LOG2_E)))


@njit
def gated(x, gate):
    """`x / (1 + e**-gate)`, where the gate has the sign of x."""
    small = exp_negative(subtract(splat(_ZERO), absolute(gate)))
    positive, negative = maximum(splat(_ZERO), x), minimum(splat(_ZERO), x)
    return divide(fma(negative, small, positive), add(small, splat(_ONE)))


_CUBIC = 2 * 0.7978845608 * 0.044715, 2 * 0.7978845608


@njit
def _tanh_gate(x, factor):
    """`sqrt(8 / pi) * (x + 0.044715 * x**3)` times a factor; (1 + tanh u) / 2 is 1 / (1 + e**-2u)."""
    cubic = fma(multiply(x, x), splat(np.float32(_CUBIC[0] * factor)), splat(np.float32(_CUBIC[1] * factor)))
    return multiply(x, cubic)


@njit
def _missing_share(x, share):
    """`max(x, 0) - |x| * share`; `share` gives that of the normal distribution beyond |x|."""
    # Beyond 13 it is nothing; without the limit infinity would be taken 0 times.
    size = minimum(splat(np.float32(14)), absolute(x))
    return fma(subtract(splat(_ZERO), size), share(size), maximum(splat(_ZERO), x))


@njit
def _silu_portable(x):
    return gated(x, x)


@njit
def _gelu_tanh_portable(x):
    return gated(x, _tanh_gate(x, 1.0))


@njit
def _share_portable(size):
    power = fma(_without_constant(_SHARE, size), size, splat(np.float32(-1)))
    return exp_negative(multiply(power, splat(_LN_2)))


@njit
def _gelu_erf_portable(x):
    return _missing_share(x, _share_portable)


@njit
def _silu_by_instructions(x):
    # To an ulp also of the smallest results, unlike a power of two whose exponent was rounded.
    limited = minimum(splat(np.float32(100)), x)
    whole = _whole(multiply(limited, splat(-_LOG2_E)))
    # -x - whole * ln 2, its sign turned.
    rest = fma(whole, splat(_LN_2), limited)
    series = fma(_without_constant(_NATURAL_OF_MINUS, rest), rest, splat(_ONE))
    return divide(x, add(_times_power_of_floor(series, whole), splat(_ONE)))


_NATURAL_OF_MINUS = tuple(value * np.float32((-1) ** (i + 1)) for i, value in enumerate(_NATURAL))


@njit
def _silu_coarse(x):
    power = _power_of_two(_FLOOR_COARSE, multiply(x, splat(-_LOG2_E)))
    return multiply(x, _reciprocal(add(power, splat(_ONE))))


@njit
def _gelu_tanh_by_instructions(x):
    power = _power_of_two(_FLOOR, _tanh_gate(x, -1.4426950409))
    return divide(x, add(power, splat(_ONE)))


@njit
def _gelu_tanh_coarse(x):
    power = _power_of_two(_FLOOR_COARSE, _tanh_gate(x, -1.4426950409))
    return multiply(x, _reciprocal(add(power, splat(_ONE))))


@njit
def _share(size):
    return _power_of_two(_FLOOR, fma(_without_constant(_SHARE, size), size, splat(np.float32(-1))))


@njit
def _share_coarse(size):
    return _power_of_two(_FLOOR_COARSE, fma(_without_constant(_SHARE_COARSE, size), size, splat(np.float32(-1))))


@njit
def _gelu_erf_by_instructions(x):
    return _missing_share(x, _share)


@njit
def _gelu_erf_coarse(x):
    return _missing_share(x, _share_coarse)


_PORTABLE = bool(missing(("avx512f", "avx512dq")))
# `e**x` for x <= 0 to 1 ulp of 1, not of the result: for sums whose largest term is 1. Where the CPU has the
# instructions, 8 in all, every one of which counts: a loop of 16 operations took 4.0 ns a vector, this one 3.2.
exp_share = exp_negative if _PORTABLE else _exp_by_instructions
exp_share_coarse = exp_negative if _PORTABLE else _exp_coarse
# `x / (1 + e**-x)`.
silu = _silu_portable if _PORTABLE else _silu_by_instructions
silu_coarse = _silu_portable if _PORTABLE else _silu_coarse
# `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`.
gelu_tanh = _gelu_tanh_portable if _PORTABLE else _gelu_tanh_by_instructions
gelu_tanh_coarse = _gelu_tanh_portable if _PORTABLE else _gelu_tanh_coarse
# `x * (1 + erf(x / sqrt(2))) / 2`.
gelu_erf = _gelu_erf_portable if _PORTABLE else _gelu_erf_by_instructions
gelu_erf_coarse = _gelu_erf_portable if _PORTABLE else _gelu_erf_coarse
