"""Tiles of 16 queries in explicit vectors against the blocks of keys listed for them; no tile sees any other."""

import numpy as np
from jaxtyping import Float, Int

from ..attention.tiles import attend_listed


def block_sparse_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    blocks: Int[np.ndarray, "query_blocks present"],
    block: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block, by online softmax."""
    return attend_listed(q, k, v, blocks, block)
