"""Rotary embedding in loops that LLVM vectorises: of halves, in place too, and of neighbouring pairs.

Arrays are float32, or bfloat16 as its bits (uint16), which is computed with in float32 and rounded once.
"""

import numpy as np
from numba import njit, prange
from numba.core import types
from numba.extending import intrinsic, overload

from ..numba_math import FASTMATH
from ..simd.arithmetic import fma, multiply, subtract
from ..simd.row_access import LANES, as_bits, read, signatures, widened
from ..simd.vectors import BF16_HALF, I32, constant, llvm_type, store

# A parallel region costs a few microseconds; below this many elements one thread is done sooner.
PARALLEL_FROM = 65536


def checked_tables(x, cos, sin):
    """All three contiguous, as bits; ValueError unless the tables have a row a position and a column a pair."""
    expected = (x.shape[-3], x.shape[-1] // 2)
    if not cos.shape == sin.shape == expected:
        raise ValueError(f"cos and sin have shapes {cos.shape} and {sin.shape}, expected {expected}")
    return as_bits(x), as_bits(cos), as_bits(sin)


def as_tokens(x):
    return x.reshape(-1, *x.shape[-2:])


def turn_halves(x, cos, sin, result):
    """`result` from `x`, both `[tokens, heads, head_dim]`: the halves of a head are pairs."""
    (_halves_parallel if len(x) > 1 and x.size >= PARALLEL_FROM else _halves_serial)(x, cos, sin, result)


def turn_pairs(x, cos, sin, result):
    """`result` from `x`, both `[tokens, heads, head_dim]`: neighbours are pairs."""
    (_pairs_parallel if len(x) > 1 and x.size >= PARALLEL_FROM else _pairs_serial)(x, cos, sin, result)


def turn_both(q, k, cos, sin):
    """Queries and keys `[tokens, heads, head_dim]` in place: the halves of a head are pairs."""
    (_both_parallel if len(q) > 1 and q.size + k.size >= PARALLEL_FROM else _both_serial)(q, k, cos, sin)


def _narrowed(value, array):
    """A float32 as an element of `array`."""


@overload(_narrowed)
def _narrowed_of(value, array):
    if array.dtype == types.float32:
        return lambda value, array: value

    def to_bf16(value, array):
        bits = np.float32(value).view(np.uint32)
        # To the nearest, halves to even; a NaN would lose its fraction by that, and keeps a bit of it.
        nearest = np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        return np.uint16((bits >> np.uint32(16)) | np.uint32(0x40) if value != value else nearest)

    return to_bf16


@intrinsic
def _nearest_bf16(typing, vector):
    """As `to_bf16`, of what comes from bf16 alone: the lower half of such a NaN is 0, so rounding leaves it a NaN."""

    def generate(context, builder, signature, values):
        kind = llvm_type(I32)
        bits = builder.bitcast(values[0], kind)
        last = builder.and_(builder.lshr(bits, constant(kind, 16)), constant(kind, 1))
        nearest = builder.add(builder.add(bits, constant(kind, 0x7FFF)), last)
        return builder.trunc(builder.lshr(nearest, constant(kind, 16)), llvm_type(BF16_HALF))

    return BF16_HALF(vector), generate


def _write(array, index, vector):
    """16 lanes to `array` from `index` on, rounded to its dtype, which is that of all that they come from."""


@overload(_write)
def _write_of(array, index, vector):
    if array.dtype == types.float32:
        return lambda array, index, vector: store(array, index, vector)
    return lambda array, index, vector: store(array, index, _nearest_bf16(vector))


@njit(fastmath=FASTMATH)
def _halves(x, cos, sin, result):
    """The heads of a token, in place too, 16 pairs at a time: the last 16 may overlap those before them."""
    heads, half = x.shape[0], cos.shape[0]
    if half < LANES:
        _short_halves(x, cos, sin, result)
        return
    whole, rest = half - half % LANES, half - LANES
    for head in range(heads):
        low, high = head * 2 * half, head * 2 * half + half
        # What overlaps is read before it may be written.
        last = _turned(read(x, low + rest), read(x, high + rest), read(cos, rest), read(sin, rest))
        for i in range(0, whole, LANES):
            real, imaginary = _turned(read(x, low + i), read(x, high + i), read(cos, i), read(sin, i))
            _write(result, low + i, real)
            _write(result, high + i, imaginary)
        if whole < half:
            _write(result, low + rest, last[0])
            _write(result, high + rest, last[1])


@njit(forceinline=True)
def _turned(real, imaginary, cos, sin):
    turned = subtract(multiply(real, cos), multiply(imaginary, sin))
    return turned, fma(real, sin, multiply(imaginary, cos))


@njit
def _short_halves(x, cos, sin, result):
    half = cos.shape[0]
    for head in range(x.shape[0]):
        for i in range(half):
            real, imaginary, c, s = widened(x[head, i]), widened(x[head, i + half]), widened(cos[i]), widened(sin[i])
            result[head, i] = _narrowed(real * c - imaginary * s, result)
            result[head, i + half] = _narrowed(real * s + imaginary * c, result)


@njit(fastmath=FASTMATH)
def _pairs(x, cos, sin, result):
    for head in range(x.shape[0]):
        for i in range(cos.shape[0]):
            real, imaginary = widened(x[head, 2 * i]), widened(x[head, 2 * i + 1])
            c, s = widened(cos[i]), widened(sin[i])
            result[head, 2 * i] = _narrowed(real * c - imaginary * s, result)
            result[head, 2 * i + 1] = _narrowed(real * s + imaginary * c, result)


_TOKENS, _TABLE = "real[:, :, ::1]", "real[:, ::1]"
_ONE = signatures(f"({_TOKENS}, {_TABLE}, {_TABLE}, {_TOKENS})")
_BOTH = signatures(f"({_TOKENS}, {_TOKENS}, {_TABLE}, {_TABLE})")


@njit(_ONE, cache=True)
def _halves_serial(x, cos, sin, result):
    for token in range(x.shape[0]):
        at = token % cos.shape[0]
        _halves(x[token], cos[at], sin[at], result[token])


@njit(_ONE, parallel=True, cache=True)
def _halves_parallel(x, cos, sin, result):
    for token in prange(x.shape[0]):
        at = token % cos.shape[0]
        _halves(x[token], cos[at], sin[at], result[token])


@njit(_ONE, cache=True)
def _pairs_serial(x, cos, sin, result):
    for token in range(x.shape[0]):
        at = token % cos.shape[0]
        _pairs(x[token], cos[at], sin[at], result[token])


@njit(_ONE, parallel=True, cache=True)
def _pairs_parallel(x, cos, sin, result):
    for token in prange(x.shape[0]):
        at = token % cos.shape[0]
        _pairs(x[token], cos[at], sin[at], result[token])


@njit(_BOTH, cache=True)
def _both_serial(q, k, cos, sin):
    for token in range(q.shape[0]):
        at = token % cos.shape[0]
        _halves(q[token], cos[at], sin[at], q[token])
        _halves(k[token], cos[at], sin[at], k[token])


@njit(_BOTH, parallel=True, cache=True)
def _both_parallel(q, k, cos, sin):
    for token in prange(q.shape[0]):
        at = token % cos.shape[0]
        _halves(q[token], cos[at], sin[at], q[token])
        _halves(k[token], cos[at], sin[at], k[token])
