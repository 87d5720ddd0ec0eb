"""Plain loops, which LLVM vectorises, a row at a time; rows are shared among threads where that pays."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..numba_math import FASTMATH, exp, largest

# A parallel region costs a few microseconds; below this many elements one thread is done sooner.
PARALLEL_FROM = 16384


def softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`exp(x) / sum(exp(x))` over the last axis; float32 within."""
    rows = np.ascontiguousarray(x, np.float32).reshape(-1, x.shape[-1])
    result = np.empty_like(rows)
    (_parallel if len(rows) > 1 and rows.size >= PARALLEL_FROM else _serial)(rows, result)
    return result.reshape(x.shape).astype(x.dtype, copy=False)


@njit(fastmath=FASTMATH, error_model="numpy")
def _row(x, result):
    # A NaN that `largest` passes over comes back through the sum.
    top = largest(x)
    total = np.float32(0)
    for i in range(x.shape[0]):
        result[i] = exp(x[i] - top)
        total += result[i]
    scale = np.float32(1) / total
    for i in range(x.shape[0]):
        result[i] *= scale


@njit("(float32[:, ::1], float32[:, ::1])", cache=True)
def _serial(x, result):
    for row in range(x.shape[0]):
        _row(x[row], result[row])


@njit("(float32[:, ::1], float32[:, ::1])", parallel=True, cache=True)
def _parallel(x, result):
    for row in prange(x.shape[0]):
        _row(x[row], result[row])
