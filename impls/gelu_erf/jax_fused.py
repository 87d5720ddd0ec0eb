"""One program: XLA makes one loop of it."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def gelu_erf(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`x / 2 * (1 + erf(x / sqrt(2)))`, element by element; float32 within."""
    wide = x.astype(jnp.float32)
    return (wide / 2 * (1 + jax.lax.erf(wide * math.sqrt(0.5)))).astype(x.dtype)
