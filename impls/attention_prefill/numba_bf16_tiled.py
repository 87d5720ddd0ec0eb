"""Tiles of 16 queries against blocks of keys in explicit vectors; products of pairs, summed in float32."""

import numpy as np
from jaxtyping import Float

from ..attention.tiles import attend


def attention_prefill(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it, by online softmax."""
    return attend(q, k, v, q.shape[1])
