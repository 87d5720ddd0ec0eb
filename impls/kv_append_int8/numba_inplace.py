"""Each vector of a head quantised straight into its place in the cache."""

import numpy as np
from jaxtyping import Float32, Int8
from numba import njit, prange

from ..kv_checks import check_append, check_cache_scales
from ..simd.quantisation import quantised_group
from .numpy_inplace import kv_append_int8 as numpy_append

# Elements from which on two threads are done sooner.
PARALLEL_FROM = 32768


def kv_append_int8(
    keys_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    values_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    key_scales: Float32[np.ndarray, "batch heads positions"],
    value_scales: Float32[np.ndarray, "batch heads positions"],
    keys: Float32[np.ndarray, "batch heads seq head_dim"],
    values: Float32[np.ndarray, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Int8[np.ndarray, "batch heads positions head_dim"],
    Int8[np.ndarray, "batch heads positions head_dim"],
    Float32[np.ndarray, "batch heads positions"],
    Float32[np.ndarray, "batch heads positions"],
]:
    """The caches with `keys` and `values` from `position` on; ValueError, and nothing written, if they do not fit."""
    check_append((keys_cache, values_cache), (keys, values), position)
    check_cache_scales((keys_cache, values_cache), (key_scales, value_scales))
    caches = (keys_cache, values_cache, key_scales, value_scales)
    if not all(cache.flags.c_contiguous for cache in caches):
        return numpy_append(*caches, keys, values, position)
    new = [np.ascontiguousarray(array).reshape(-1) for array in (keys, values)]
    (_parallel if keys.size >= PARALLEL_FROM else _serial)(
        *(cache.reshape(-1) for cache in caches),
        *new,
        (keys.shape[0] * keys.shape[1], *keys.shape[2:]),
        keys_cache.shape[2],
        position,
    )
    return caches


@njit
def _head(head, cache, cache_scales, new, shape, positions, position):
    # With the size known the loops over a vector are unrolled.
    head_dim = shape[2]
    if head_dim == 64:
        _vectors(head, cache, cache_scales, new, shape[1], 64, positions, position)
    elif head_dim == 128:
        _vectors(head, cache, cache_scales, new, shape[1], 128, positions, position)
    elif head_dim == 48:
        _vectors(head, cache, cache_scales, new, shape[1], 48, positions, position)
    else:
        _vectors(head, cache, cache_scales, new, shape[1], head_dim, positions, position)


@njit(forceinline=True)
def _vectors(head, cache, cache_scales, new, seq, head_dim, positions, position):
    for token in range(seq):
        source, target = head * seq + token, head * positions + position + token
        cache_scales[target] = quantised_group(new, source * head_dim, head_dim, cache, target * head_dim)


_SIGNATURE = f"({'int8[::1], ' * 2}{'float32[::1], ' * 4}UniTuple(int64, 3), int64, int64)"


@njit(_SIGNATURE, cache=True)
def _serial(keys_cache, values_cache, key_scales, value_scales, keys, values, shape, positions, at):
    for head in range(shape[0]):
        _head(head, keys_cache, key_scales, keys, shape, positions, at)
        _head(head, values_cache, value_scales, values, shape, positions, at)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(keys_cache, values_cache, key_scales, value_scales, keys, values, shape, positions, at):
    for head in prange(shape[0]):
        _head(head, keys_cache, key_scales, keys, shape, positions, at)
        _head(head, values_cache, value_scales, values, shape, positions, at)
