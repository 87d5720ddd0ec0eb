"""One program: XLA makes one loop of it."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


@jax.jit
def gelu_tanh(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`, element by element; float32 within."""
    wide = x.astype(jnp.float32)
    return (wide / 2 * (1 + jnp.tanh(SQRT_2_OVER_PI * (wide + 0.044715 * wide * wide * wide)))).astype(x.dtype)
