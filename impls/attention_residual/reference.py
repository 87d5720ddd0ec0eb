"""The definition."""

import numpy as np
from jaxtyping import Float

from ..attention_prefill.reference import attention_prefill


def attention_residual(
    residual: Float[np.ndarray, "batch seq dim"],
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    w_output: Float[np.ndarray, "dim queries"],
) -> Float[np.ndarray, "batch seq dim"]:
    """`residual + attention(q, k, v) w_output'`."""
    wide = np.result_type(residual.dtype, np.float32)
    mixed = attention_prefill(q, k, v).astype(wide, copy=False).reshape(*q.shape[:2], -1)
    return (residual + mixed @ w_output.T.astype(wide, copy=False)).astype(residual.dtype, copy=False)
