"""Attention by tiles in explicit vectors, then a product with packed weights; the residual is added on the way."""

import numpy as np
from jaxtyping import Float, Float32

from ..attention.projected import attended_residual
from ..packed.linear import pack

prepare = pack


def attention_residual(
    residual: Float[np.ndarray, "batch seq dim"],
    q: Float[np.ndarray, "batch seq heads head_dim"],
    k: Float[np.ndarray, "batch seq kv_heads head_dim"],
    v: Float[np.ndarray, "batch seq kv_heads head_dim"],
    packed: Float32[np.ndarray, "tiles queries 16"],
    shape: tuple[int, int],
) -> Float[np.ndarray, "batch seq dim"]:
    """`residual + attention(q, k, v) w_output'`."""
    return attended_residual(residual, q, k, v, packed, shape)
