"""Attention by tiles in explicit vectors, then a product with packed weights; the residual is added in place."""

import numpy as np
from jaxtyping import Float, Float32

from ..attention_prefill.numba_tiled import attention_prefill
from ..packed.linear import pack, packed_product

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
    mixed = attention_prefill(q, k, v)
    result = packed_product(mixed.reshape(*mixed.shape[:2], -1), packed, shape)
    result += residual
    return result
