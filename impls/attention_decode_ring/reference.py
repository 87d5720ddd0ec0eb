"""The definition."""

import numpy as np
from jaxtyping import Float

from ..attention_decode.reference import attended


def attention_decode_ring(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    slots = np.arange(max(0, length - window), length) % k_cache.shape[1]
    return attended(q, k_cache[:, slots], v_cache[:, slots])
