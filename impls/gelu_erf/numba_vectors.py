"""Explicit vectors: an element is read and written once, with nothing between but registers."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..simd.functions import gelu_erf as activated
from ..simd.row_access import LANES, PARALLEL_FROM, ZERO, as_bits, read, read_first, signatures, write, write_first

# Elements a turn of the parallel loop.
BLOCK = 4096


def gelu_erf(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`x / 2 * (1 + erf(x / sqrt(2)))`, element by element; float32 within."""
    result = np.empty(x.shape, x.dtype)
    (_parallel if x.size >= PARALLEL_FROM else _serial)(as_bits(x).ravel(), as_bits(result).ravel())
    return result


@njit
def _span(x, first, last, result):
    index = first
    while index + LANES <= last:
        write(result, index, activated(read(x, index)))
        index += LANES
    if index < last:
        write_first(result, index, activated(read_first(x, index, last - index, ZERO)), last - index)


@njit(signatures("(real[::1], real[::1])"), cache=True)
def _serial(x, result):
    _span(x, 0, x.size, result)


@njit(signatures("(real[::1], real[::1])"), parallel=True, cache=True)
def _parallel(x, result):
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        _span(x, block * BLOCK, min((block + 1) * BLOCK, x.size), result)
