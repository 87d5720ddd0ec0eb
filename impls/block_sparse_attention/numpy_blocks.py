"""Blocks of queries, each against the blocks of keys listed for it: no score is computed for any other."""

import numpy as np
from jaxtyping import Float, Int

from ..attention.bands import attended


def block_sparse_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    blocks: Int[np.ndarray, "query_blocks present"],
    block: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block; float32 within."""
    seq = q.shape[1]

    def keys_of(first, last):
        listed = blocks[first // block]
        keys = (listed[listed >= 0, None] * block + np.arange(block)).reshape(-1)
        keys = keys[keys < seq]
        return keys, np.arange(first, last)[:, None] >= keys

    return attended(q, k, v, block, keys_of)
