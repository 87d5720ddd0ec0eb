"""Sums over a row in explicit vectors, from which norms are made."""

import numpy as np
from numba import njit

from .arithmetic import add, fma, subtract
from .row_access import LANES, ZERO, read, read_first, sum_of_four
from .vectors import splat


@njit
def total(x, first, last):
    """The sum of `x[first:last]`."""
    a = b = c = d = splat(ZERO)
    index = first
    # Four sums at a time, since each addition waits for the one before it.
    while index + 4 * LANES <= last:
        a, b = add(a, read(x, index)), add(b, read(x, index + LANES))
        c, d = add(c, read(x, index + 2 * LANES)), add(d, read(x, index + 3 * LANES))
        index += 4 * LANES
    while index + LANES <= last:
        a = add(a, read(x, index))
        index += LANES
    if index < last:
        a = add(a, read_first(x, index, last - index, ZERO))
    return sum_of_four(a, b, c, d)


@njit
def _squared(x, index, centre, so_far):
    difference = subtract(read(x, index), centre)
    return fma(difference, difference, so_far)


@njit
def sum_of_squares(x, first, last, centre):
    """The sum of `(x[first:last] - centre)**2`."""
    centres = splat(centre)
    a = b = c = d = splat(ZERO)
    index = first
    while index + 4 * LANES <= last:
        a, b = _squared(x, index, centres, a), _squared(x, index + LANES, centres, b)
        c, d = _squared(x, index + 2 * LANES, centres, c), _squared(x, index + 3 * LANES, centres, d)
        index += 4 * LANES
    while index + LANES <= last:
        a = _squared(x, index, centres, a)
        index += LANES
    if index < last:
        difference = subtract(read_first(x, index, last - index, centre), centres)
        a = fma(difference, difference, a)
    return sum_of_four(a, b, c, d)


@njit(error_model="numpy")
def reciprocal_root(squares, count, eps):
    """`1 / sqrt(squares / count + eps)` in float32."""
    return np.float32(1) / np.sqrt(squares / np.float32(count) + np.float32(eps))
