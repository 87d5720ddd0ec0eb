"""What is seen of a ring is one piece, or two: products with each, and nothing is gathered."""

import numpy as np
from jaxtyping import Float

from ..attention.decode_arrays import attended


def attention_decode_ring(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    context = k_cache.shape[1]
    count = min(length, window)
    first = (length - count) % context
    ends = [(first, min(first + count, context))]
    if first + count > context:
        ends.append((0, first + count - context))
    return attended(q, *([cache[:, start:end] for start, end in ends] for cache in (k_cache, v_cache)))
