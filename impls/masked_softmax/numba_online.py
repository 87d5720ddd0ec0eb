"""As softmax in explicit vectors, with scale and mask in the loads: nothing is written before the exponentials."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange
from numba.core import types
from numba.extending import overload

from ..simd.arithmetic import fma
from ..simd.exponential_rows import softmax_rows, source_of
from ..simd.row_access import PARALLEL_FROM, ZERO, as_rows, read, read_first, rows_together, signatures
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
    result = np.empty(scores.shape, scores.dtype)
    run = _parallel if len(rows) > 1 and rows.size >= PARALLEL_FROM else _serial
    run(rows, as_rows(mask), scale, as_rows(result))
    return result


# Rows are given as scores, scale and mask; a row is read from these, and how far its mask lies before its scores.


@overload(source_of)
def _source_of(given, row, columns):
    if isinstance(given, types.BaseTuple):

        def with_shift(given, row, columns):
            scores, scale, mask = given
            return scores, scale, mask, (row - row % mask.shape[0]) * columns

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


@overload(read_first)
def _read_first(source, index, count, other):
    if isinstance(source, types.BaseTuple):

        def masked(source, index, count, other):
            scores, scale, mask, shift = source
            seen = read_first(mask, index - shift, count, other)
            return fma(read_first(scores, index, count, ZERO), splat(scale), seen)

        return masked
    return None


_SIGNATURES = signatures("(real[:, ::1], real[:, ::1], float64, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(scores, mask, scale, result):
    softmax_rows((scores, np.float32(scale), mask), scores.shape[1], 0, scores.shape[0], ZERO, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(scores, mask, scale, result):
    rows, together = scores.shape[0], rows_together(scores.shape[1])
    for block in prange((rows + together - 1) // together):
        given, last = (scores, np.float32(scale), mask), min((block + 1) * together, rows)
        softmax_rows(given, scores.shape[1], block * together, last, ZERO, result)
