"""Sums over a row in explicit vectors, from which norms are made. Rows are given by their start (`start_of`)."""

import numpy as np
from numba import njit

from .arithmetic import add, fma, subtract
from .row_access import LANES, ZERO, read_first, read_two, sum_of_four
from .vectors import splat


@njit
def total(x, first, last):
    """The sum of `x[first:last]`."""
    a = b = c = d = splat(ZERO)
    index = first
    # Four sums at a time, since each addition waits for the one before it.
    while index + 4 * LANES <= last:
        one, two = read_two(x, index)
        three, four = read_two(x, index + 2 * LANES)
        a, b, c, d = add(a, one), add(b, two), add(c, three), add(d, four)
        index += 4 * LANES
    while index < last:
        count = min(LANES, last - index)
        a = add(a, read_first(x, index, count, ZERO))
        index += count
    return sum_of_four(a, b, c, d)


@njit
def _squared(value, centre, so_far):
    difference = subtract(value, centre)
    return fma(difference, difference, so_far)


@njit
def sum_of_squares(x, first, last, centre):
    """The sum of `(x[first:last] - centre)**2`."""
    centres = splat(centre)
    a = b = c = d = splat(ZERO)
    index = first
    while index + 4 * LANES <= last:
        one, two = read_two(x, index)
        three, four = read_two(x, index + 2 * LANES)
        a, b = _squared(one, centres, a), _squared(two, centres, b)
        c, d = _squared(three, centres, c), _squared(four, centres, d)
        index += 4 * LANES
    while index < last:
        count = min(LANES, last - index)
        a = _squared(read_first(x, index, count, centre), centres, a)
        index += count
    return sum_of_four(a, b, c, d)


@njit(error_model="numpy")
def reciprocal_root(squares, count, eps):
    """`1 / sqrt(squares / count + eps)` in float32."""
    return np.float32(1) / np.sqrt(squares / np.float32(count) + np.float32(eps))
