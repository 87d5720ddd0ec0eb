"""A row at a time, in explicit vectors: the sum is written, then squared and scaled while it is in the cache."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.arithmetic import add, multiply
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


def rmsnorm_residual(
    x: Float[np.ndarray, "*batch dim"],
    residual: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    eps: float,
) -> tuple[Float[np.ndarray, "*batch dim"], Float[np.ndarray, "*batch dim"]]:
    """The sum `s = x + residual`, and `s / sqrt(mean(s**2) + eps) * gain` over the last axis; float32 within."""
    if gain.shape != x.shape[-1:] or residual.shape != x.shape:
        raise ValueError(
            f"residual and gain have shapes {residual.shape} and {gain.shape}, expected {x.shape} and {x.shape[-1:]}"
        )
    rows = as_rows(x)
    total, normed = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
    run = _parallel if len(rows) > 1 and rows.size >= LIGHT_PARALLEL_FROM else _serial
    run(rows, as_rows(residual), as_bits(gain), eps, as_rows(total), as_rows(normed))
    return total, normed


@njit
def _row(x, residual, start, gain, eps, total, normed):
    columns, end, index = x.shape[1], start + x.shape[1], start
    while index + LANES <= end:
        write(total, index, add(read(x, index), read(residual, index)))
        index += LANES
    if index < end:
        added = add(read_first(x, index, end - index, ZERO), read_first(residual, index, end - index, ZERO))
        write_first(total, index, added, end - index)
    squares = sum_of_squares(total, start, end, ZERO)
    scales, index = splat(reciprocal_root(squares, columns, eps)), 0
    while index + LANES <= columns:
        write(normed, start + index, multiply(multiply(read(total, start + index), scales), read(gain, index)))
        index += LANES
    if index < columns:
        left = columns - index
        scaled = multiply(read_first(total, start + index, left, ZERO), scales)
        write_first(normed, start + index, multiply(scaled, read_first(gain, index, left, ZERO)), left)


_SIGNATURES = signatures("(real[:, ::1], real[:, ::1], real[::1], float64, real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, residual, gain, eps, total, normed):
    for row in range(x.shape[0]):
        _row(x, residual, row * x.shape[1], gain, eps, total, normed)


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, residual, gain, eps, total, normed):
    for row in prange(x.shape[0]):
        _row(x, residual, row * x.shape[1], gain, eps, total, normed)
