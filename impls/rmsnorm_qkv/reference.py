"""The definition."""

import numpy as np
from jaxtyping import Float

from ..qkv.reference import qkv
from ..rmsnorm.reference import rmsnorm


def rmsnorm_qkv(
    x: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    w_q: Float[np.ndarray, "q_dim dim"],
    w_k: Float[np.ndarray, "kv_dim dim"],
    w_v: Float[np.ndarray, "kv_dim dim"],
    eps: float,
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`rmsnorm(x, gain, eps) @ w.T` for each weight `[out, in]`, computed in at least float32."""
    return qkv(rmsnorm(x, gain, eps), w_q, w_k, w_v)
