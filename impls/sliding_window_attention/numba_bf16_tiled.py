"""Tiles of 16 queries against blocks of keys in explicit vectors; products of pairs, summed in float32."""

import numpy as np
from jaxtyping import Float

from ..attention.tiles import attend


def sliding_window_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    window: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to `window` positions up to itself, by online softmax."""
    return attend(q, k, v, window)
