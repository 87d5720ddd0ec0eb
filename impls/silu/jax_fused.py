"""One program: XLA makes one loop of it."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def silu(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`x / (1 + exp(-x))`, element by element; float32 within."""
    wide = x.astype(jnp.float32)
    return (wide / (1 + jnp.exp(-wide))).astype(x.dtype)
