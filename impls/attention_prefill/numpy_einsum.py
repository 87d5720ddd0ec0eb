"""Two sums as one writes them on paper. Without a path of products to go by, einsum loops: a cautionary tale."""

import numpy as np
from jaxtyping import Float


def attention_prefill(
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
) -> Float[np.ndarray, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it; float32 within."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    q_wide, k_wide, v_wide = (array.astype(np.float32, copy=False) for array in (q, k, v))
    grouped = q_wide.reshape(batch, seq, kv_heads, heads // kv_heads, head_dim)
    scores = np.einsum("bqhgd,bkhd->bhgqk", grouped, k_wide)
    scores *= np.float32(head_dim**-0.5)
    np.copyto(scores, -np.inf, where=np.tri(seq, k=-1, dtype=bool).T)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhgqk,bkhd->bqhgd", scores, v_wide)
    return mixed.reshape(q.shape).astype(q.dtype, copy=False)
