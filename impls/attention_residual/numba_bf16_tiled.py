"""Attention by tiles, then packed weights; both in products of pairs that are summed in float32."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..attention.projected import attended_residual
from ..packed.linear import pack

prepare = pack


def attention_residual(
    residual: BFloat16[np.ndarray, "batch seq dim"],
    q: BFloat16[np.ndarray, "batch seq heads head_dim"],
    k: BFloat16[np.ndarray, "batch seq kv_heads head_dim"],
    v: BFloat16[np.ndarray, "batch seq kv_heads head_dim"],
    packed: UInt16[np.ndarray, "tiles pairs 16 2"],
    shape: tuple[int, int],
) -> BFloat16[np.ndarray, "batch seq dim"]:
    """`residual + attention(q, k, v) w_output'`."""
    return attended_residual(residual, q, k, v, packed, shape)
