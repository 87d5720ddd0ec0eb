"""The definition."""

import numpy as np
from jaxtyping import Bool, Float

from ..softmax.reference import softmax


def attention_prefill(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim) + mask) v`: each position sees itself and those before it."""
    return attended(q, k, v, np.tri(q.shape[1], dtype=bool))


def attended(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    seen: Bool[np.ndarray, "seq seq"],
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """Attention of each position to the keys that it sees: keys repeated for the heads that share them, and a mask."""
    repeats = q.shape[2] // k.shape[2]
    wide = np.result_type(q.dtype, np.float32)
    q_heads, k_heads, v_heads = (
        array.astype(wide, copy=False).swapaxes(1, 2)
        for array in (q, np.repeat(k, repeats, axis=2), np.repeat(v, repeats, axis=2))
    )
    mask = np.where(seen, 0, -np.inf).astype(wide)
    probabilities = softmax(q_heads @ k_heads.swapaxes(2, 3) / np.sqrt(q.shape[3]).astype(wide) + mask)
    return (probabilities @ v_heads).swapaxes(1, 2).astype(q.dtype, copy=False)
