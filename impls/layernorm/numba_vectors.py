"""A row at a time, in explicit vectors: mean, squares about it and result, all while the row is in the cache."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.arithmetic import fma, multiply, subtract
from ..simd.norm_rows import reciprocal_root, sum_of_squares, total
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


def layernorm(
    x: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    bias: Float[np.ndarray, " dim"],
    eps: float,
) -> Float[np.ndarray, "*batch dim"]:
    """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis; float32 within."""
    if not gain.shape == bias.shape == x.shape[-1:]:
        raise ValueError(
            f"gain and bias have shapes {gain.shape} and {bias.shape}, expected {x.shape[-1:]} as x's rows"
        )
    rows = as_rows(x)
    result = empty_like(rows)
    run = _parallel if len(rows) > 1 and rows.size >= LIGHT_PARALLEL_FROM else _serial
    run(rows, as_bits(gain), as_bits(bias), eps, result)
    return rows_as(x, result)


@njit(error_model="numpy")
def _row(x, start, columns, gain, bias, eps, result):
    mean = total(x, start, start + columns) / np.float32(columns)
    scale = reciprocal_root(sum_of_squares(x, start, start + columns, mean), columns, eps)
    means, scales, index = splat(mean), splat(scale), 0
    while index + 2 * LANES <= columns:
        one, other = read_two(x, start + index)
        gains, other_gains = read_two(gain, index)
        biases, other_biases = read_two(bias, index)
        one, other = multiply(subtract(one, means), scales), multiply(subtract(other, means), scales)
        write_two(result, start + index, fma(one, gains, biases), fma(other, other_gains, other_biases))
        index += 2 * LANES
    while index < columns:
        count = min(LANES, columns - index)
        normed = multiply(subtract(read_first(x, start + index, count, ZERO), means), scales)
        gains, biases = read_first(gain, index, count, ZERO), read_first(bias, index, count, ZERO)
        write_first(result, start + index, fma(normed, gains, biases), count)
        index += count


_SIGNATURES = signatures("(real[:, ::1], real[::1], real[::1], float64, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(x, gain, bias, eps, result):
    for row in range(x.shape[0]):
        gains, biases = start_of(gain), start_of(bias)
        _row(start_of(x), row * x.shape[1], x.shape[1], gains, biases, eps, start_of(result))


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(x, gain, bias, eps, result):
    for row in prange(x.shape[0]):
        gains, biases = start_of(gain), start_of(bias)
        _row(start_of(x), row * x.shape[1], x.shape[1], gains, biases, eps, start_of(result))
