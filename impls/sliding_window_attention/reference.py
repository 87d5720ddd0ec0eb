"""The definition."""

import numpy as np
from jaxtyping import Float

from ..attention_prefill.reference import attended


def sliding_window_attention(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    window: int,
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to `window` positions up to itself."""
    position = np.arange(q.shape[1])
    distance = position[:, None] - position
    return attended(q, k, v, (distance >= 0) & (distance < window))
