"""Grouped queries against keys that are not repeated; scores are materialised."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float


@jax.jit
def attention_prefill(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it; summed in float32."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    grouped = q.reshape(batch, seq, kv_heads, heads // kv_heads, head_dim)
    scores = _summed("bqhgd,bkhd->bhgqk", grouped, k) * jnp.float32(head_dim**-0.5)
    position = jnp.arange(seq, dtype=jnp.int32)
    seen = position <= position[:, None]
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v.dtype)
    return _summed("bhgqk,bkhd->bqhgd", weights, v).reshape(q.shape).astype(q.dtype)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
