"""The definition: a mask over all positions."""

import numpy as np
from jaxtyping import Bool, Float, Int

from ..attention_prefill.reference import attended


def block_sparse_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    blocks: Int[np.ndarray, "query_blocks present"],
    block: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block."""
    return attended(q, k, v, seen_positions(blocks, block, q.shape[1]))


def seen_positions(
    blocks: Int[np.ndarray, "query_blocks present"], block: int, seq: int
) -> Bool[np.ndarray, "{seq} {seq}"]:
    """Which keys each of `seq` positions sees."""
    listed = (blocks[:, :, None] == np.arange(len(blocks))).any(axis=1)
    whole = np.repeat(np.repeat(listed, block, axis=0), block, axis=1)[:seq, :seq]
    return whole & np.tri(seq, dtype=bool)
