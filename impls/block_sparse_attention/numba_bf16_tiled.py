"""Tiles of 16 queries against the blocks of keys listed for them; products of pairs, summed in float32."""

import numpy as np
from jaxtyping import BFloat16, Int

from ..attention.tiles import attend_listed


def block_sparse_attention(
    q: BFloat16[np.ndarray, "batch seq heads head_dim"],
    k: BFloat16[np.ndarray, "batch seq kv_heads head_dim"],
    v: BFloat16[np.ndarray, "batch seq kv_heads head_dim"],
    blocks: Int[np.ndarray, "query_blocks present"],
    block: int,
) -> BFloat16[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block, by online softmax."""
    return attend_listed(q, k, v, blocks, block)
