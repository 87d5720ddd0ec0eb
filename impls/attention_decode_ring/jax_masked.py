"""The whole cache, whatever the length, so that one program serves every step; what is not seen is masked."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float


@jax.jit
def attention_decode_ring(
    q: Float[jax.Array, "batch heads head_dim"],
    k_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    v_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> Float[jax.Array, "batch heads head_dim"]:
    """Attention of one token to the last `window` of `length` positions, itself included; slot p % context holds p."""
    batch, context, kv_heads, head_dim = k_cache.shape
    queries = q.reshape(batch, kv_heads, -1, head_dim)
    scores = _summed("bhgd,bkhd->bhgk", queries, k_cache) * jnp.float32(head_dim**-0.5)
    # 0 for the slot of the newest position; ahead of it lie those of a turn before, or none in the first turn.
    age = jnp.mod(length - 1 - jnp.arange(context, dtype=jnp.int32), context)
    seen = age < jnp.minimum(window, length)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v_cache.dtype)
    return _summed("bhgk,bkhd->bhgd", weights, v_cache).reshape(q.shape).astype(q.dtype)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
