"""Flash attention: a block of queries stays in fast memory while the blocks of keys that it sees pass."""

from functools import partial

import jax
from jaxtyping import Float

from ..attention.flash import flash


@partial(jax.jit, static_argnames=("block_q", "block_k", "interpret"))
def attention_prefill(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    *,
    block_q=128,
    block_k=128,
    interpret=False,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it; summed in float32."""
    return flash(q, k, v, q.shape[1], block_q=block_q, block_k=block_k, interpret=interpret)
