"""The whole cache, whatever the length, so that one program serves every step; what is not seen is masked."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float


@jax.jit
def attention_decode(
    q: Float[jax.Array, "batch heads head_dim"],
    k_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    v_cache: Float[jax.Array, "batch context kv_heads head_dim"],
    length: int,
) -> Float[jax.Array, "batch heads head_dim"]:
    """Attention of one token to the first `length` positions of the cache, of which it is the last."""
    batch, context, kv_heads, head_dim = k_cache.shape
    queries = q.reshape(batch, kv_heads, -1, head_dim)
    scores = _summed("bhgd,bkhd->bhgk", queries, k_cache) * jnp.float32(head_dim**-0.5)
    seen = jnp.arange(context, dtype=jnp.int32) < length
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v_cache.dtype)
    return _summed("bhgk,bkhd->bhgd", weights, v_cache).reshape(q.shape).astype(q.dtype)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
