"""A group at a time, a vector of 16 numbers after the other."""

import numpy as np
from jaxtyping import Float32, Int8
from numba import njit, prange

from ..quantisation import GROUP, check_scales
from ..simd.quantisation import dequantised_group

# Groups a thread takes at once, and from how many on two threads are done sooner.
BLOCK = 512
PARALLEL_FROM = 1024


def dequantise(
    quantised: Int8[np.ndarray, "*batch dim"], scales: Float32[np.ndarray, "*batch groups"]
) -> Float32[np.ndarray, "*batch dim"]:
    """`byte * scale`, each scale for 32 of the last axis; ValueError if there are not as many scales."""
    check_scales("quantised", quantised, scales)
    result = np.empty(quantised.shape, np.float32)
    call = _parallel if scales.size >= PARALLEL_FROM else _serial
    call(np.ascontiguousarray(quantised).reshape(-1), np.ascontiguousarray(scales).reshape(-1), result.reshape(-1))
    return result


_SIGNATURE = "(int8[::1], float32[::1], float32[::1])"


@njit
def _groups(quantised, scales, first, last, result):
    for group in range(first, last):
        dequantised_group(quantised, group * GROUP, GROUP, scales[group], result, group * GROUP)


@njit(_SIGNATURE, cache=True)
def _serial(quantised, scales, result):
    _groups(quantised, scales, 0, scales.size, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(quantised, scales, result):
    for block in prange((scales.size + BLOCK - 1) // BLOCK):
        _groups(quantised, scales, block * BLOCK, min((block + 1) * BLOCK, scales.size), result)
