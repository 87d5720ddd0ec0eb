"""Flash attention: a block of queries stays in fast memory while the blocks of keys in its windows pass."""

from functools import partial

import jax
from jaxtyping import Float

from ..attention.flash import flash


@partial(jax.jit, static_argnames=("window", "block_q", "block_k", "interpret"))
def sliding_window_attention(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    window: int,
    *,
    block_q=128,
    block_k=128,
    interpret=False,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """Attention of each position to `window` positions up to itself; summed in float32."""
    return flash(q, k, v, window, block_q=block_q, block_k=block_k, interpret=interpret)
