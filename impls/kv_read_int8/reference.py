"""The definition."""

import numpy as np
from jaxtyping import Float, Int8

from ..kv_checks import check_cache_scales, check_length


def kv_read_int8(
    cache: Int8[np.ndarray, "batch heads positions head_dim"],
    scales: Float[np.ndarray, "batch heads positions"],
    length: int,
) -> Float[np.ndarray, "batch heads length head_dim"]:
    """The first `length` positions, `byte * scale`; ValueError if the cache has fewer."""
    filled = slice(check_length(cache, length))
    check_cache_scales((cache,), (scales,))
    return cache[:, :, filled] * scales[:, :, filled, None]
