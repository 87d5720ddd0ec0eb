"""Plain loops, which LLVM vectorises: a row's sum of squares, then its scaling while it is still in the cache."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..numba_math import FASTMATH

# A parallel region costs a few microseconds; below this many elements one thread is done sooner.
PARALLEL_FROM = 65536


def rmsnorm(
    x: Float[np.ndarray, "*batch dim"], gain: Float[np.ndarray, " dim"], eps: float
) -> Float[np.ndarray, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis; float32 within."""
    if gain.shape != x.shape[-1:]:
        raise ValueError(f"gain has shape {gain.shape}, expected {x.shape[-1:]}, the last axis of x")
    rows = np.ascontiguousarray(x, np.float32).reshape(-1, x.shape[-1])
    result = np.empty_like(rows)
    (_parallel if len(rows) > 1 and rows.size >= PARALLEL_FROM else _serial)(
        rows, np.ascontiguousarray(gain, np.float32), eps, result
    )
    return result.reshape(x.shape).astype(x.dtype, copy=False)


@njit(fastmath=FASTMATH, error_model="numpy")
def _row(x, gain, eps, result):
    total = np.float32(0)
    for i in range(x.shape[0]):
        total += x[i] * x[i]
    scale = np.float32(1) / np.sqrt(total / np.float32(x.shape[0]) + eps)
    for i in range(x.shape[0]):
        result[i] = x[i] * scale * gain[i]


_SIGNATURE = "(float32[:, ::1], float32[::1], float64, float32[:, ::1])"


@njit(_SIGNATURE, cache=True)
def _serial(x, gain, eps, result):
    for row in range(x.shape[0]):
        _row(x[row], gain, np.float32(eps), result[row])


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(x, gain, eps, result):
    for row in prange(x.shape[0]):
        _row(x[row], gain, np.float32(eps), result[row])
