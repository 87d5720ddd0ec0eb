"""The three weights packed below each other once, in pairs of bfloat16: one product in one parallel region."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..packed.linear import pack_qkv, packed_product

prepare = pack_qkv


def qkv(
    x: BFloat16[np.ndarray, "*batch dim"],
    packed: UInt16[np.ndarray, "tiles pairs 16 2"],
    shape: tuple[int, int],
    q_dim: int,
    kv_dim: int,
) -> tuple[
    BFloat16[np.ndarray, "*batch q_dim"], BFloat16[np.ndarray, "*batch kv_dim"], BFloat16[np.ndarray, "*batch kv_dim"]
]:
    """`x @ w.T` for each weight, accumulated in float32; queries, keys and values are views of one result."""
    fused = packed_product(x, packed, shape)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
