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
    read,
    read_first,
    signatures,
    write,
    write_first,
)
from ..simd.vectors import splat


def rmsnorm(
    x: Float[np.ndarray, "*batch dim"], gain: Float[np.ndarray, " dim"], eps: float
) -> Float[np.ndarray, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis; float32 within."""
    if gain.shape != x.shape[-1:]:
        raise ValueError(f"gain has shape {gain.shape}, expected {x.shape[-1:]}, the last axis of x")
    rows = as_rows(x)
    result = np.empty(x.shape, x.dtype)
    run = _parallel if len(rows) > 1 and rows.size >= LIGHT_PARALLEL_FROM else _serial
    run(rows, as_bits(gain), eps, as_rows(result))
    return result


@njit
def _row(x, start, gain, eps, result):
    columns = x.shape[1]
    squares = sum_of_squares(x, start, start + columns, ZERO)
    scales, index = splat(reciprocal_root(squares, columns, eps)), 0
    while index + LANES <= columns:
        write(result, start + index, multiply(multiply(read(x, start + index), scales), read(gain, index)))
        index += LANES
    if index < columns:
        left = columns - index
        normed = multiply(read_first(x, start + index, left, ZERO), scales)
        write_first(result, start + index, multiply(normed, read_first(gain, index, left, ZERO)), left)


_SIGNATURES = signatures("(real[:, ::1], real[::1], float64, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, gain, eps, result):
    for row in range(x.shape[0]):
        _row(x, row * x.shape[1], gain, eps, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, gain, eps, result):
    for row in prange(x.shape[0]):
        _row(x, row * x.shape[1], gain, eps, result)
