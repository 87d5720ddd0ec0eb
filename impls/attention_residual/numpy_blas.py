"""Attention that repeats no key, then one BLAS product to which the residual is added in place."""

import numpy as np
from jaxtyping import Float

from ..attention_prefill.numpy_grouped import attention_prefill


def prepare(w_output):
    """BLAS has no bfloat16."""
    return (w_output.astype(np.float32, copy=False),)


def attention_residual(
    residual: Float[np.ndarray, "batch seq dim"],
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    w_output: Float[np.ndarray, "dim queries"],
) -> Float[np.ndarray, "batch seq dim"]:
    """`residual + attention(q, k, v) w_output'`; float32 within."""
    mixed = attention_prefill(q, k, v).reshape(-1, w_output.shape[1]).astype(np.float32, copy=False)
    result = mixed @ w_output.T
    result += residual.reshape(result.shape)
    return result.reshape(residual.shape).astype(residual.dtype, copy=False)
