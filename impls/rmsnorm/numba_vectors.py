"""A row at a time, in explicit vectors: its sum of squares, then its scaling while it is still in the cache."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.arithmetic import multiply
from ..simd.norm_rows import reciprocal_root, sum_of_squares
from ..simd.row_access import (
    LANES,
    LIGHT_PARALLEL_FROM,
    ZERO,
    as_bits,
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


def rmsnorm(
    x: Float[np.ndarray, "*batch dim"], gain: Float[np.ndarray, " dim"], eps: float
) -> Float[np.ndarray, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis; float32 within."""
    if gain.shape != x.shape[-1:]:
        raise ValueError(f"gain has shape {gain.shape}, expected {x.shape[-1:]}, the last axis of x")
    rows = as_rows(x)
    result = empty_like(rows)
    run = _parallel if len(rows) > 1 and rows.size >= LIGHT_PARALLEL_FROM else _serial
    run(rows, as_bits(gain), eps, result)
    return rows_as(x, result)


@njit
def _row(x, start, columns, gain, eps, result):
    squares = sum_of_squares(x, start, start + columns, ZERO)
    scales, index = splat(reciprocal_root(squares, columns, eps)), 0
    while index + 2 * LANES <= columns:
        (one, other), (gains, other_gains) = read_two(x, start + index), read_two(gain, index)
        one, other = multiply(multiply(one, scales), gains), multiply(multiply(other, scales), other_gains)
        write_two(result, start + index, one, other)
        index += 2 * LANES
    while index < columns:
        count = min(LANES, columns - index)
        normed = multiply(read_first(x, start + index, count, ZERO), scales)
        write_first(result, start + index, multiply(normed, read_first(gain, index, count, ZERO)), count)
        index += count


_SIGNATURES = signatures("(real[:, ::1], real[::1], float64, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, gain, eps, result):
    for row in range(x.shape[0]):
        _row(start_of(x), row * x.shape[1], x.shape[1], start_of(gain), eps, start_of(result))


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, gain, eps, result):
    for row in prange(x.shape[0]):
        _row(start_of(x), row * x.shape[1], x.shape[1], start_of(gain), eps, start_of(result))
