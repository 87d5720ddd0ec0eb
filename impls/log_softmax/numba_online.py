"""Maximum and sum in one pass over a row (Milakov and Gimelshein 2018, arXiv 1805.02867), in explicit vectors."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.arithmetic import subtract
from ..simd.exponential_rows import CHUNK, chunks, merged, normaliser, sum_of_exponentials
from ..simd.row_access import (
    LANES,
    MINUS_INFINITY,
    PARALLEL_FROM,
    ZERO,
    as_rows,
    empty_like,
    read_first,
    read_two,
    rows_as,
    signatures,
    write_first,
    write_two,
)
from ..simd.starts import start_of
from ..simd.vectors import splat

# One row takes two parallel regions.
SPLIT_FROM = 65536


def log_softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`x - log(sum(exp(x)))` over the last axis; float32 within."""
    rows = as_rows(x)
    result = empty_like(rows)
    if len(rows) > 1 and rows.size >= PARALLEL_FROM:
        _parallel(rows, result)
    elif len(rows) == 1 and rows.size >= SPLIT_FROM:
        _split(rows, result)
    else:
        _serial(rows, result)
    return rows_as(x, result)


@njit
def _write(x, first, last, top, logarithm, result):
    # One after the other: their sum would lose the logarithm's digits where the maximum is large.
    tops, logarithms, index = splat(top), splat(logarithm), first
    while index + 2 * LANES <= last:
        one, other = read_two(x, index)
        one, other = subtract(subtract(one, tops), logarithms), subtract(subtract(other, tops), logarithms)
        write_two(result, index, one, other)
        index += 2 * LANES
    while index < last:
        count = min(LANES, last - index)
        left = read_first(x, index, count, ZERO)
        write_first(result, index, subtract(subtract(left, tops), logarithms), count)
        index += count


@njit
def _row(x, row, result):
    first, last, source = row * x.shape[1], (row + 1) * x.shape[1], start_of(x)
    top, total = normaliser(source, first, last)
    _write(source, first, last, top, np.log(total), start_of(result))


@njit(signatures("(real[:, ::1], real[:, ::1])"), cache=True)
def _serial(x, result):
    for row in range(x.shape[0]):
        _row(x, row, result)


@njit(signatures("(real[:, ::1], real[:, ::1])"), parallel=True, cache=True)
def _parallel(x, result):
    for row in prange(x.shape[0]):
        _row(x, row, result)


@njit(signatures("(real[:, ::1], real[:, ::1])"), parallel=True, cache=True)
def _split(x, result):
    columns, parts = x.shape[1], chunks(x.shape[1])
    tops, totals = np.empty(parts, np.float32), np.empty(parts, np.float32)
    for part in prange(parts):
        tops[part], totals[part] = sum_of_exponentials(start_of(x), part * CHUNK, min((part + 1) * CHUNK, columns))
    top, total = MINUS_INFINITY, ZERO
    for part in range(parts):
        top, total = merged(top, total, tops[part], totals[part])
    logarithm = np.log(total)
    for part in prange(parts):
        _write(start_of(x), part * CHUNK, min((part + 1) * CHUNK, columns), top, logarithm, start_of(result))
