"""Blocks of queries, each against the band of keys that any of them sees; no key is repeated for heads sharing it."""

import numpy as np
from jaxtyping import Float

from ..attention.bands import attended

# Positions a block: as many scores a query are computed in vain.
BLOCK = 64


def sliding_window_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    window: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to `window` positions up to itself; float32 within."""

    def keys_of(first, last):
        start = max(0, first - window + 1)
        distance = np.arange(first, last)[:, None] - np.arange(start, last)
        return slice(start, last), (distance >= 0) & (distance < window)

    return attended(q, k, v, BLOCK, keys_of)
