"""All scores, and a mask of the listed blocks: what computing only these has to beat."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Int


@partial(jax.jit, static_argnames="block")
def block_sparse_attention(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    blocks: Int[jax.Array, "query_blocks present"],
    block: int,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block; summed in float32."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    position = jnp.arange(seq, dtype=jnp.int32)
    listed = (blocks[:, :, None] == jnp.arange(len(blocks), dtype=jnp.int32)).any(axis=1)
    seen = listed[position[:, None] // block, position // block] & (position <= position[:, None])
    grouped = q.reshape(batch, seq, kv_heads, heads // kv_heads, head_dim)
    scores = _summed("bqhgd,bkhd->bhgqk", grouped, k) * jnp.float32(head_dim**-0.5)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v.dtype)
    return _summed("bhgqk,bkhd->bqhgd", weights, v).reshape(q.shape).astype(q.dtype)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
