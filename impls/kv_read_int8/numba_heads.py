"""A vector of a head at a time 16 numbers after the other, by two threads where there is much."""

import numpy as np
from jaxtyping import Float32, Int8
from numba import njit, prange

from ..kv_checks import check_cache_scales, check_length
from ..simd.quantisation import dequantised_group

# Elements from which on two threads are done sooner.
PARALLEL_FROM = 32768


def kv_read_int8(
    cache: Int8[np.ndarray, "batch heads positions head_dim"],
    scales: Float32[np.ndarray, "batch heads positions"],
    length: int,
) -> Float32[np.ndarray, "batch heads length head_dim"]:
    """The first `length` positions, `byte * scale`; ValueError if the cache has fewer."""
    length = check_length(cache, length)
    check_cache_scales((cache,), (scales,))
    batch, heads, positions, head_dim = cache.shape
    result = np.empty((batch, heads, length, head_dim), np.float32)
    (_parallel if result.size >= PARALLEL_FROM else _serial)(
        np.ascontiguousarray(cache).reshape(-1, positions, head_dim),
        np.ascontiguousarray(scales).reshape(-1, positions),
        result.reshape(-1, length, head_dim),
    )
    return result


@njit
def _head(head, cache, scales, result):
    # With the size known the loop over a vector is unrolled, which takes a third of the time.
    head_dim = cache.shape[2]
    if head_dim == 64:
        _vectors(head, cache, scales, result, 64)
    elif head_dim == 128:
        _vectors(head, cache, scales, result, 128)
    elif head_dim == 48:
        _vectors(head, cache, scales, result, 48)
    else:
        _vectors(head, cache, scales, result, head_dim)


@njit(forceinline=True)
def _vectors(head, cache, scales, result, head_dim):
    positions, length = cache.shape[1], result.shape[1]
    for position in range(length):
        source, target = (head * positions + position) * head_dim, (head * length + position) * head_dim
        dequantised_group(cache, source, head_dim, scales[head, position], result, target)


_SIGNATURE = "(int8[:, :, ::1], float32[:, ::1], float32[:, :, ::1])"


@njit(_SIGNATURE, cache=True)
def _serial(cache, scales, result):
    for head in range(len(cache)):
        _head(head, cache, scales, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(cache, scales, result):
    for head in prange(len(cache)):
        _head(head, cache, scales, result)
