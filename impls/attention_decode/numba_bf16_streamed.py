"""Where heads share keys, four queries at a time meet each key, in products of pairs that are summed in float32."""

import numpy as np
from jaxtyping import BFloat16

from ..attention.streams import attend


def attention_decode(
    q: BFloat16[np.ndarray, "batch heads head_dim"],
    k_cache: BFloat16[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: BFloat16[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
) -> BFloat16[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the first `length` positions of the cache, of which it is the last."""
    return attend(q, k_cache, v_cache, length, k_cache.shape[1], pairs=True)
