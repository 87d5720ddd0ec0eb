"""Keys and values of each head pass once, for all queries that share them.

Explicit vectors along head_dim; 16 scores at a time are summed across lanes together.
"""

import numpy as np
from jaxtyping import Float

from ..attention.streams import attend


def attention_decode(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the first `length` positions of the cache, of which it is the last."""
    return attend(q, k_cache, v_cache, length, k_cache.shape[1])
