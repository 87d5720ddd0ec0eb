"""Four groups at a time: their largest magnitudes, then their bytes while they are in the first cache."""

import numpy as np
from jaxtyping import Float32, Int8
from numba import njit, prange

from ..quantisation import GROUP, check_groups
from ..simd.quantisation import quantised_four_groups, quantised_group
from ..simd.row_access import aligned_empty

# Groups a thread takes at once, and from how many on two threads are done sooner.
BLOCK = 512
PARALLEL_FROM = 1024


def quantise(
    x: Float32[np.ndarray, "*batch dim"],
) -> tuple[Int8[np.ndarray, "*batch dim"], Float32[np.ndarray, "*batch groups"]]:
    """Bytes and their scales, one for each 32 of the last axis: `x` is about `byte * scale`."""
    check_groups("x", x)
    flat = np.ascontiguousarray(x).reshape(-1)
    scales = np.empty((*x.shape[:-1], x.shape[-1] // GROUP), np.float32)
    large = scales.size >= PARALLEL_FROM
    result = (aligned_empty if large else np.empty)(x.shape, np.int8)
    call = _parallel if large else _serial
    call(flat, result.reshape(-1), scales.reshape(-1))
    return result, scales


_SIGNATURE = "(float32[::1], int8[::1], float32[::1])"


@njit
def _groups(x, first, last, result, scales):
    whole = last - (last - first) % 4
    for group in range(first, whole, 4):
        quantised_four_groups(x, group * GROUP, result, scales, group)
    for group in range(whole, last):
        scales[group] = quantised_group(x, group * GROUP, GROUP, result, group * GROUP)


@njit(_SIGNATURE, cache=True)
def _serial(x, result, scales):
    _groups(x, 0, scales.size, result, scales)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(x, result, scales):
    for block in prange((scales.size + BLOCK - 1) // BLOCK):
        _groups(x, block * BLOCK, min((block + 1) * BLOCK, scales.size), result, scales)
