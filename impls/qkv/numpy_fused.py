"""One BLAS product with the three weights below each other; queries, keys and values are views of its result."""

import numpy as np
from jaxtyping import Float


def prepare(w_q, w_k, w_v):
    return np.concatenate([w_q, w_k, w_v]).astype(np.float32, copy=False), len(w_q), len(w_k)


def qkv(
    x: Float[np.ndarray, "*batch dim"], weight: Float[np.ndarray, "out dim"], q_dim: int, kv_dim: int
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`x @ w.T` for each weight."""
    fused = (x.astype(np.float32, copy=False) @ weight.T).astype(x.dtype, copy=False)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
