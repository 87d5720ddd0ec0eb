"""Blocks of the cache pass by the one query of each head; those behind the length are not fetched."""

from functools import partial

import jax
from jaxtyping import Float

from ..attention.decode_blocks import decoded


@partial(jax.jit, static_argnames=("block_k", "interpret"))
def attention_decode_ring(
    q: Float[jax.Array, "batch heads head_dim"],
    k_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    v_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    length: int,
    window: int,
    *,
    block_k=256,
    interpret=False,
) -> Float[jax.Array, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    return decoded(q, k_cache, v_cache, length, window, block_k=block_k, interpret=interpret)
