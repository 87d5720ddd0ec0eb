"""The gain folded into the weights once; each row is scaled before one BLAS product with all of them."""

import numpy as np
from jaxtyping import Float


def prepare(gain, w_q, w_k, w_v, eps):
    return np.concatenate([w_q, w_k, w_v]).astype(np.float32) * gain.astype(np.float32), len(w_q), len(w_k), eps


def rmsnorm_qkv(
    x: Float[np.ndarray, "*batch dim"],
    weight: Float[np.ndarray, "out dim"],
    q_dim: int,
    kv_dim: int,
    eps: float,
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`x / sqrt(mean(x**2) + eps) @ weight.T`, float32 within."""
    wide = x.astype(np.float32, copy=False)
    mean_square = np.vecdot(wide, wide)
    mean_square /= np.float32(x.shape[-1])
    mean_square += np.float32(eps)
    fused = ((wide * np.reciprocal(np.sqrt(mean_square))[..., None]) @ weight.T).astype(x.dtype, copy=False)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
