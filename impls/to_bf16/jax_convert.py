"""XLA's conversion."""

import jax
import jax.numpy as jnp
from jaxtyping import BFloat16, Float32


@jax.jit
def to_bf16(x: Float32[jax.Array, "*shape"]) -> BFloat16[jax.Array, "*shape"]:
    """The bfloat16 nearest to each float32, halves to even."""
    return x.astype(jnp.bfloat16)
