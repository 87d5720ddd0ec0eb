"""One pass over the input, in explicit vectors: each chunk of a row is taken to the exponential below its own maximum,
and only when that of the row is known are all brought to one scale (Milakov and Gimelshein 2018, arXiv 1805.02867).
"""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.exponential_rows import CHUNK, chunks, exponentials, factors_of, scale_by, softmax_rows
from ..simd.row_access import (
    FIRST,
    NAN,
    PARALLEL_FROM,
    as_rows,
    empty_like,
    largest_of,
    rows_as,
    rows_together,
    signatures,
)
from ..simd.starts import start_of

# One row takes two parallel regions.
SPLIT_FROM = 65536


def softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`exp(x) / sum(exp(x))` over the last axis; float32 within."""
    rows = as_rows(x)
    result = empty_like(rows)
    if len(rows) > 1 and rows.size >= PARALLEL_FROM:
        _parallel(rows, result)
    elif len(rows) == 1 and rows.size >= SPLIT_FROM:
        _split(rows, result)
    else:
        _serial(rows, result)
    return rows_as(x, result)


_SIGNATURES = signatures("(real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, result):
    softmax_rows(start_of(x), x.shape[1], FIRST, x.shape[0], NAN, start_of(result))


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, result):
    rows, together = x.shape[0], rows_together(x.shape[1])
    for block in prange((rows + together - 1) // together):
        last = min((block + 1) * together, rows)
        softmax_rows(start_of(x), x.shape[1], block * together, last, NAN, start_of(result))


@njit(_SIGNATURES, parallel=True, cache=True)
def _split(x, result):
    columns, parts = x.shape[1], chunks(x.shape[1])
    work, tops, totals = np.empty(columns, np.float32), np.empty(parts, np.float32), np.empty(parts, np.float32)
    for part in prange(parts):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, columns)
        source, target = start_of(x), start_of(result)
        tops[part] = largest_of(source, begin, end)
        totals[part] = exponentials(source, begin, end, tops[part], start_of(work), begin, target)
    factors_of(tops, totals, parts, NAN)
    for part in prange(parts):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, columns)
        scale_by(tops[part], start_of(work), begin, end, start_of(result), begin)
