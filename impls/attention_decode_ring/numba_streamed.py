"""Keys and values pass once, in the one or two pieces of the ring that are seen.

Explicit vectors along head_dim; 16 scores at a time are summed across lanes together.
"""

import numpy as np
from jaxtyping import Float

from ..attention.streams import attend


def attention_decode_ring(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    return attend(q, k_cache, v_cache, length, window)
