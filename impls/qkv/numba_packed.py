"""The three weights packed below each other once: one product in one parallel region."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import pack_qkv, packed_product

prepare = pack_qkv


def qkv(
    x: Float[np.ndarray, "*batch dim"],
    packed: Float32[np.ndarray, "tiles dim 16"],
    shape: tuple[int, int],
    q_dim: int,
    kv_dim: int,
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`x @ w.T` for each weight; queries, keys and values are views of one result."""
    fused = packed_product(x, packed, shape)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
