"""Three BLAS products; bfloat16 weights are widened once, as BLAS has no such dtype."""

import numpy as np
from jaxtyping import Float


def prepare(w_q, w_k, w_v):
    return tuple(weight.astype(np.float32, copy=False) for weight in (w_q, w_k, w_v))


def qkv(
    x: Float[np.ndarray, "*batch dim"],
    w_q: Float[np.ndarray, "q_dim dim"],
    w_k: Float[np.ndarray, "kv_dim dim"],
    w_v: Float[np.ndarray, "kv_dim dim"],
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`x @ w.T` for each weight."""
    wide = x.astype(np.float32, copy=False)
    q, k, v = wide @ w_q.T, wide @ w_k.T, wide @ w_v.T
    return q.astype(x.dtype, copy=False), k.astype(x.dtype, copy=False), v.astype(x.dtype, copy=False)
