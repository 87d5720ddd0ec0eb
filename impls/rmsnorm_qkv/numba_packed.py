"""Rows are normalised on their way to one product with the three weights, packed below each other once."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import pack_qkv, packed_product


def prepare(gain, w_q, w_k, w_v, eps):
    return gain.astype(np.float32), *pack_qkv(w_q, w_k, w_v), eps


def rmsnorm_qkv(
    x: Float[np.ndarray, "*batch dim"],
    gain: Float32[np.ndarray, " dim"],
    packed: Float32[np.ndarray, "tiles dim 16"],
    shape: tuple[int, int],
    q_dim: int,
    kv_dim: int,
    eps: float,
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`rmsnorm(x, gain, eps) @ w.T` for each weight; queries, keys and values are views of one result."""
    fused = packed_product(x, packed, shape, gain, eps)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
