"""Phases as 64-bit fractions of a turn, whose overflow is the reduction; both polynomials of a quarter turn at once."""

import numpy as np
from jaxtyping import Float32, Int, Int64
from numba import njit

from ..rotary.phases import steps


def prepare(head_dim, theta):
    return (steps(head_dim, theta),)


def rope_tables(
    positions: Int[np.ndarray, " seq"], steps: Int64[np.ndarray, " half"]
) -> tuple[Float32[np.ndarray, "seq half"], Float32[np.ndarray, "seq half"]]:
    """Cosine and sine of `positions * theta ** (-2 i / head_dim)`, for any positions below 2**31."""
    cos, sin = np.empty((len(positions), len(steps)), np.float32), np.empty((len(positions), len(steps)), np.float32)
    _tables(np.ascontiguousarray(positions, np.int64), steps, cos, sin)
    return cos, sin


@njit(fastmath={"contract"}, inline="always")
def _cos(x):
    """On a quarter turn around 0, to 1 ulp (polynomial: Cephes cosf)."""
    square = x * x
    series = np.float32(2.443315711809948e-5) * square - np.float32(1.388731625493765e-3)
    series = series * square + np.float32(4.166664568298827e-2)
    return series * square * square - np.float32(0.5) * square + np.float32(1)


@njit(fastmath={"contract"}, inline="always")
def _sin(x):
    """On a quarter turn around 0, to 1 ulp (polynomial: Cephes sinf)."""
    square = x * x
    series = np.float32(-1.9515295891e-4) * square + np.float32(8.3321608736e-3)
    series = series * square - np.float32(1.6666654611e-1)
    return series * square * x + x


@njit("(int64[::1], int64[::1], float32[:, ::1], float32[:, ::1])", fastmath={"contract"}, cache=True)
def _tables(positions, steps, cos, sin):
    unit = np.float32(2 * np.pi / 2**32)
    for row in range(positions.shape[0]):
        position = positions[row]
        for i in range(steps.shape[0]):
            phase = np.int32((position * steps[i]) >> 32)
            # Quarters of a turn, rounded; what is left is half a quarter at most.
            quarters = np.int32(np.int32(phase >> 29) + 1) >> 1
            angle = np.float32(np.int32(phase - np.int32(quarters << 30))) * unit
            c, s = _cos(angle), _sin(angle)
            odd = quarters & 1
            first, second = (s, c) if odd else (c, s)
            cos[row, i] = -first if (quarters + 1) & 2 else first
            sin[row, i] = -second if quarters & 2 else second
