"""Rows are normalised on their way to one product with the three weights, packed below each other in bfloat16 once."""

import numpy as np
from jaxtyping import BFloat16, Float32, UInt16

from ..packed.linear import packed_product
from . import numba_packed

prepare = numba_packed.prepare


def rmsnorm_qkv(
    x: BFloat16[np.ndarray, "*batch dim"],
    gain: Float32[np.ndarray, " dim"],
    packed: UInt16[np.ndarray, "tiles pairs 16 2"],
    shape: tuple[int, int],
    q_dim: int,
    kv_dim: int,
    eps: float,
) -> tuple[
    BFloat16[np.ndarray, "*batch q_dim"], BFloat16[np.ndarray, "*batch kv_dim"], BFloat16[np.ndarray, "*batch kv_dim"]
]:
    """`rmsnorm(x, gain, eps) @ w.T` for each weight; queries, keys and values are views of one result."""
    fused = packed_product(x, packed, shape, gain, eps)
    return fused[..., :q_dim], fused[..., q_dim : q_dim + kv_dim], fused[..., q_dim + kv_dim :]
