"""What JAX offers."""

import jax
from jaxtyping import Float


@jax.jit
def attention_prefill(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """`jax.nn.dot_product_attention`."""
    # It adds bfloat16 and float32 within, which strict promotion of dtypes would refuse.
    with jax.numpy_dtype_promotion("standard"):
        return jax.nn.dot_product_attention(q, k, v, is_causal=True)
