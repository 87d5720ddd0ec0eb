"""A row at a time, in explicit vectors: the sum is written, then squared and scaled while it is in the cache."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.arithmetic import add, multiply
from ..simd.norm_rows import reciprocal_root, sum_of_squares
from ..simd.row_access import (
    FIRST,
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
from ..simd.starts import prefetch_to_write, start_of
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
    total, normed = empty_like(rows), empty_like(rows)
    run = _parallel if len(rows) > 1 and rows.size >= LIGHT_PARALLEL_FROM else _serial
    run(rows, as_rows(residual), as_bits(gain), eps, total, normed)
    return rows_as(x, total), rows_as(x, normed)


@njit
def _row(x, residual, start, columns, gain, eps, total, normed):
    end, index = start + columns, start
    while index + 2 * LANES <= end:
        (one, other), (more, other_more) = read_two(x, index), read_two(residual, index)
        write_two(total, index, add(one, more), add(other, other_more))
        prefetch_to_write(normed, index)
        prefetch_to_write(normed, index + LANES)
        index += 2 * LANES
    while index < end:
        count = min(LANES, end - index)
        added = add(read_first(x, index, count, ZERO), read_first(residual, index, count, ZERO))
        write_first(total, index, added, count)
        index += count
    squares = sum_of_squares(total, start, end, ZERO)
    scales, index = splat(reciprocal_root(squares, columns, eps)), 0
    while index + 2 * LANES <= columns:
        (one, other), (gains, other_gains) = read_two(total, start + index), read_two(gain, index)
        one, other = multiply(multiply(one, scales), gains), multiply(multiply(other, scales), other_gains)
        write_two(normed, start + index, one, other)
        index += 2 * LANES
    while index < columns:
        count = min(LANES, columns - index)
        scaled = multiply(read_first(total, start + index, count, ZERO), scales)
        write_first(normed, start + index, multiply(scaled, read_first(gain, index, count, ZERO)), count)
        index += count


@njit
def _rows(x, residual, first, last, gain, eps, total, normed):
    given, more, gains = start_of(x), start_of(residual), start_of(gain)
    sums, results = start_of(total), start_of(normed)
    for row in range(first, last):
        _row(given, more, row * x.shape[1], x.shape[1], gains, eps, sums, results)


_SIGNATURES = signatures("(real[:, ::1], real[:, ::1], real[::1], float64, real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, residual, gain, eps, total, normed):
    _rows(x, residual, FIRST, x.shape[0], gain, eps, total, normed)


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, residual, gain, eps, total, normed):
    for item in prange(x.shape[0]):
        row = np.int64(item)
        _rows(x, residual, row, row + 1, gain, eps, total, normed)
