"""The upper half of the bits, after adding just less than a half, 16 numbers at a time."""

import ml_dtypes
import numpy as np
from jaxtyping import BFloat16, Float32
from numba import njit, prange

from ..simd.arithmetic import to_bf16 as to_bf16_bits
from ..simd.row_access import aligned_empty
from ..simd.vectors import load, load_first, store, store_first

LANES = 16
# Elements a thread takes at once, and from how many on two threads are done sooner.
BLOCK = 16384
PARALLEL_FROM = 32768


def to_bf16(x: Float32[np.ndarray, "*shape"]) -> BFloat16[np.ndarray, "*shape"]:
    """The bfloat16 nearest to each float32, halves to even."""
    flat = np.ascontiguousarray(x).reshape(-1)
    large = flat.size >= PARALLEL_FROM
    result = (aligned_empty if large else np.empty)(x.shape, ml_dtypes.bfloat16)
    (_parallel if large else _serial)(flat, result.reshape(-1).view(np.uint16))
    return result


_SIGNATURE = "(float32[::1], uint16[::1])"


@njit
def _narrowed(x, first, last, result):
    whole = last - (last - first) % LANES
    for i in range(first, whole, LANES):
        store(result, i, to_bf16_bits(load(x, i)))
    if last > whole:
        store_first(result, whole, to_bf16_bits(load_first(x, whole, last - whole)), last - whole)


@njit(_SIGNATURE, cache=True)
def _serial(x, result):
    _narrowed(x, 0, x.size, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(x, result):
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        _narrowed(x, block * BLOCK, min((block + 1) * BLOCK, x.size), result)
