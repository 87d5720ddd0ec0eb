"""Where heads share keys, four queries at a time meet each key, in products of pairs that are summed in float32."""

import numpy as np
from jaxtyping import BFloat16

from ..attention.streams import attend


def attention_decode_ring(
    q: BFloat16[np.ndarray, "batch heads head_dim"],
    k_cache: BFloat16[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: BFloat16[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> BFloat16[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    return attend(q, k_cache, v_cache, length, window, pairs=True)
