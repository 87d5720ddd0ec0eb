"""Rotary embedding in loops that LLVM vectorises: of halves, in place too, and of neighbouring pairs.

Arrays are float32, or bfloat16 as its bits (uint16), which is computed with in float32 and rounded once.
"""

import numpy as np
from numba import njit, prange
from numba.core import types
from numba.extending import overload

from ..numba_math import FASTMATH
from ..simd.row_access import as_bits, signatures, widened

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


@njit(fastmath=FASTMATH)
def _halves(x, cos, sin, result):
    half = cos.shape[0]
    for head in range(x.shape[0]):
        for i in range(half):
            real, imaginary, c, s = widened(x[head, i]), widened(x[head, i + half]), widened(cos[i]), widened(sin[i])
            result[head, i] = _narrowed(real * c - imaginary * s, result)
            result[head, i + half] = _narrowed(real * s + imaginary * c, result)


@njit(fastmath=FASTMATH)
def _halves_in_place(x, cos, sin):
    half = cos.shape[0]
    for head in range(x.shape[0]):
        # Two arrays that do not overlap: with one as argument and result LLVM vectorises nothing (2.2 times as long).
        low, high = x[head, :half], x[head, half:]
        for i in range(half):
            real, imaginary, c, s = widened(low[i]), widened(high[i]), widened(cos[i]), widened(sin[i])
            low[i] = _narrowed(real * c - imaginary * s, low)
            high[i] = _narrowed(real * s + imaginary * c, high)


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
        _halves_in_place(q[token], cos[at], sin[at])
        _halves_in_place(k[token], cos[at], sin[at])


@njit(_BOTH, parallel=True, cache=True)
def _both_parallel(q, k, cos, sin):
    for token in prange(q.shape[0]):
        at = token % cos.shape[0]
        _halves_in_place(q[token], cos[at], sin[at])
        _halves_in_place(k[token], cos[at], sin[at])
