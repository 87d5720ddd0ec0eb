"""One product for all queries that share a key head; keys stay where they lie."""

import numpy as np
from jaxtyping import Float

from ..attention.decode_arrays import attended


def attention_decode(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the first `length` positions of the cache, of which it is the last; float32 within."""
    return attended(q, (k_cache[:, :length],), (v_cache[:, :length],))
