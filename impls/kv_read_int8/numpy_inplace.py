"""Widened into the result and scaled there, a head at a time, which stays in the cache."""

import numpy as np
from jaxtyping import Float32, Int8

from ..kv_checks import check_cache_scales, check_length


def kv_read_int8(
    cache: Int8[np.ndarray, "batch heads positions head_dim"],
    scales: Float32[np.ndarray, "batch heads positions"],
    length: int,
) -> Float32[np.ndarray, "batch heads length head_dim"]:
    """The first `length` positions, `byte * scale`; ValueError if the cache has fewer."""
    batch, heads, _, head_dim = cache.shape
    length = check_length(cache, length)
    check_cache_scales((cache,), (scales,))
    result = np.empty((batch, heads, length, head_dim), np.float32)
    for row, head in np.ndindex(batch, heads):
        result[row, head] = cache[row, head, :length]
        result[row, head] *= scales[row, head, :length, None]
    return result
