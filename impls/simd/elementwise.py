"""An activation on every element: each is read and written once, with nothing between but registers."""

import numpy as np
from numba import njit, prange

from .functions import gelu_erf, gelu_tanh, silu
from .row_access import LANES, PARALLEL_FROM, ZERO, as_bits, read, read_first, signatures, write, write_first

SILU, GELU_TANH, GELU_ERF = 0, 1, 2
# Elements a turn of the parallel loop.
BLOCK = 4096


def activated(kind, x):
    """A new array of the dtype of x, float32 or bfloat16, with SILU, GELU_TANH or GELU_ERF of each element."""
    result = np.empty(x.shape, x.dtype)
    (_parallel if x.size >= PARALLEL_FROM else _serial)(kind, as_bits(x).ravel(), as_bits(result).ravel())
    return result


@njit
def _vector(kind, x):
    if kind == SILU:
        return silu(x)
    return gelu_tanh(x) if kind == GELU_TANH else gelu_erf(x)


@njit
def _span(kind, x, first, last, result):
    index = first
    while index + LANES <= last:
        write(result, index, _vector(kind, read(x, index)))
        index += LANES
    if index < last:
        write_first(result, index, _vector(kind, read_first(x, index, last - index, ZERO)), last - index)


@njit(signatures("(int64, real[::1], real[::1])"), cache=True)
def _serial(kind, x, result):
    _span(kind, x, 0, x.size, result)


@njit(signatures("(int64, real[::1], real[::1])"), parallel=True, cache=True)
def _parallel(kind, x, result):
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        _span(kind, x, block * BLOCK, min((block + 1) * BLOCK, x.size), result)
