"""As softmax in explicit vectors, with scale and mask in the loads: nothing is written before the exponentials."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange
from numba.core import types
from numba.extending import overload

from ..simd.arithmetic import fma
from ..simd.exponential_rows import seen_of, softmax_rows, source_of
from ..simd.row_access import (
    FIRST,
    LANES,
    PARALLEL_FROM,
    ZERO,
    as_rows,
    empty_like,
    read,
    read_first,
    read_two,
    rows_as,
    rows_together,
    signatures,
)
from ..simd.starts import lanes_above_minus_infinity, prefetch_to_read, start_of
from ..simd.vectors import splat


def masked_softmax(
    scores: Float[np.ndarray, "heads queries keys"],
    mask: Float[np.ndarray, "queries keys"],
    scale: float,
) -> Float[np.ndarray, "heads queries keys"]:
    """The softmax of `scores * scale + mask` over keys; 0 where a query may see no key; float32 within."""
    if mask.shape != scores.shape[-2:]:
        raise ValueError(f"mask has shape {mask.shape}, expected {scores.shape[-2:]}: queries and keys of the scores")
    rows = as_rows(scores)
    result = empty_like(rows)
    run = _parallel if len(rows) > 1 and rows.size >= PARALLEL_FROM else _serial
    run(rows, as_rows(mask), scale, result)
    return rows_as(scores, result)


# Rows are given as scores, scale and mask; a row is read from these, and how far its mask lies before its scores.


@overload(source_of)
def _source_of(given, row, columns):
    if isinstance(given, types.BaseTuple):

        def with_shift(given, row, columns):
            scores, scale, mask, queries = given
            return scores, scale, mask, (row - np.int64(np.uint32(row) % np.uint32(queries))) * columns

        return with_shift
    return None


@overload(read)
def _read(source, index):
    if isinstance(source, types.BaseTuple):

        def masked(source, index):
            scores, scale, mask, shift = source
            return fma(read(scores, index), splat(scale), read(mask, index - shift))

        return masked
    return None


@overload(read_two)
def _read_two(source, index):
    if isinstance(source, types.BaseTuple):

        def masked(source, index):
            scores, scale, mask, shift = source
            one, other = read_two(scores, index)
            seen, seen_too = read_two(mask, index - shift)
            return fma(one, splat(scale), seen), fma(other, splat(scale), seen_too)

        return masked
    return None


@overload(read_first)
def _read_first(source, index, count, other):
    if isinstance(source, types.BaseTuple):

        def masked(source, index, count, other):
            scores, scale, mask, shift = source
            seen = read_first(mask, index - shift, count, other)
            return fma(read_first(scores, index, count, ZERO), splat(scale), seen)

        return masked
    return None


@overload(prefetch_to_read)
def _prefetch_to_read(source, index):
    if isinstance(source, types.BaseTuple):
        return lambda source, index: prefetch_to_read(source[0], index)
    return None


@overload(seen_of)
def _seen_of(source, first, last):
    if isinstance(source, types.BaseTuple):

        def masked(source, first, last):
            # By what is left of the scores, not by the mask alone: a NaN is to be seen.
            end = last
            while end - 4 * LANES >= first:
                lanes = lanes_above_minus_infinity(read(source, end - LANES))
                lanes |= lanes_above_minus_infinity(read(source, end - 2 * LANES))
                lanes |= lanes_above_minus_infinity(read(source, end - 3 * LANES))
                lanes |= lanes_above_minus_infinity(read(source, end - 4 * LANES))
                if lanes:
                    break
                end -= 4 * LANES
            return end

        return masked
    return None


_SIGNATURES = signatures("(real[:, ::1], real[:, ::1], float64, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(scores, mask, scale, result):
    given = start_of(scores), np.float32(scale), start_of(mask), mask.shape[0]
    softmax_rows(given, scores.shape[1], FIRST, scores.shape[0], ZERO, start_of(result))


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(scores, mask, scale, result):
    rows, together = scores.shape[0], rows_together(scores.shape[1])
    for block in prange((rows + together - 1) // together):
        given = start_of(scores), np.float32(scale), start_of(mask), mask.shape[0]
        last = min((block + 1) * together, rows)
        softmax_rows(given, scores.shape[1], block * together, last, ZERO, start_of(result))
