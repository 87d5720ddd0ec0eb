"""All queries that share a key head in one product, no key repeated; a block of queries skips the keys after it."""

import numpy as np
from jaxtyping import Float

from ..attention.bands import attended

# Positions a block: its scores stay in the second-level cache, and half a block of scores a query is in vain.
BLOCK = 64


def attention_prefill(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it; float32 within."""

    def keys_of(first, last):
        return slice(0, last), np.arange(first, last)[:, None] >= np.arange(last)

    return attended(q, k, v, BLOCK, keys_of)
