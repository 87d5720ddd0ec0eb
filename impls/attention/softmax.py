"""The softmax within attention, in float32 vectors: powers of two, masks of what a tile does not see, largest scores.

A tile's scores are one vector a key, with a row of queries in each lane; maxima and sums are lane by lane.
"""

import numpy as np
from numba import njit

from ..simd.arithmetic import _power_of_two, add, float_bits, fma, maximum, multiply, subtract
from ..simd.vectors import load, splat, store
from .packing import LANES

# Finite, so that a block in which a query sees nothing is no NaN.
LOWEST = np.float32(-1e38)
LOG2_E = np.float32(1.4426950408889634)
# Added to a number below 2**22 it leaves the nearest whole number, plus the exponent bias, in the lowest bits.
ROUNDING = np.float32(3 * 2**22 + 127)
# 2**x on [-1/2, 1/2] to 0.7 eps, the highest power first (fitted for the least relative error).
_P6, _P5, _P4, _P3, _P2, _P1, _P0 = (
    np.float32(power)
    for power in (
        1.5345811523e-4,
        1.3399931215e-3,
        9.6184889589e-3,
        5.5503287770e-2,
        2.4022646891e-1,
        6.9314720574e-1,
        1,
    )
)
# From 16 - n on, 16 of these mask the first n lanes; from 32 - n on, all but the first n.
MASKS = np.array([-np.inf] * LANES + [0.0] * LANES + [-np.inf] * LANES, np.float32)


@njit(inline="always")
def exp2(x):
    """`2**x` of vectors that are 0 or less: 0 below 2**-126, NaN of NaN."""
    limited = maximum(splat(np.float32(-127)), x)
    shifted = add(limited, splat(ROUNDING))
    rest = subtract(limited, subtract(shifted, splat(ROUNDING)))
    series = fma(splat(_P6), rest, splat(_P5))
    series = fma(series, rest, splat(_P4))
    series = fma(series, rest, splat(_P3))
    series = fma(series, rest, splat(_P2))
    series = fma(series, rest, splat(_P1))
    series = fma(series, rest, splat(_P0))
    return multiply(series, _power_of_two(float_bits(shifted)))


@njit
def masked(scores, at, first_key, count, first_row, group, window):
    """-inf where a key comes after the row's position, or `window` or more before it; keys from `first_key` on."""
    for key in range(max(first_key, first_row // group + 1), first_key + count):
        hidden = min(key * group - first_row, LANES)
        place = (at + key - first_key) * LANES
        store(scores, place, add(load(scores, place), load(MASKS, LANES - hidden)))
    # Behind the last of these, all rows of the tile are within the window.
    passed = (first_row + LANES + group - 1) // group - window
    for key in range(first_key, min(first_key + count, passed)):
        seen = max((key + window) * group - first_row, 0)
        place = (at + key - first_key) * LANES
        store(scores, place, add(load(scores, place), load(MASKS, 2 * LANES - min(seen, LANES))))


@njit
def highest(scores, count, found):
    """The largest of `found` and the scores of `count` keys, a multiple of 4."""
    a = b = c = d = found
    for t in range(0, count, 4):
        a = maximum(load(scores, t * LANES), a)
        b = maximum(load(scores, (t + 1) * LANES), b)
        c = maximum(load(scores, (t + 2) * LANES), c)
        d = maximum(load(scores, (t + 3) * LANES), d)
    return maximum(maximum(a, b), maximum(c, d))
