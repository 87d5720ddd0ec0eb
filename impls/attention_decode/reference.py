"""The definition."""

import numpy as np
from jaxtyping import Float

from ..softmax.reference import softmax


def attention_decode(
    q: Float[np.ndarray, "batch heads head_dim"],
    k_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    v_cache: Float[np.ndarray, "batch context kv_heads head_dim"],
    length: int,
) -> Float[np.ndarray, "batch heads head_dim"]:
    """Attention of one token to the first `length` positions of the cache, of which it is the last."""
    return attended(q, k_cache[:, :length], v_cache[:, :length])


def attended(
    q: Float[np.ndarray, "batch heads head_dim"],
    k: Float[np.ndarray, "batch keys kv_heads head_dim"],
    v: Float[np.ndarray, "batch keys kv_heads head_dim"],
) -> Float[np.ndarray, "batch heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over all keys."""
    repeats = q.shape[1] // k.shape[2]
    wide = np.result_type(q.dtype, np.float32)
    k_heads, v_heads = (np.repeat(array, repeats, axis=2).astype(wide, copy=False).swapaxes(1, 2) for array in (k, v))
    scores = k_heads @ q[..., None].astype(wide, copy=False) / np.sqrt(q.shape[2]).astype(wide)
    return (softmax(scores[..., 0])[:, :, None] @ v_heads)[:, :, 0].astype(q.dtype, copy=False)
