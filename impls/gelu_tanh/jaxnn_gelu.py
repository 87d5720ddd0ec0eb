"""What JAX offers."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def gelu_tanh(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`jax.nn.gelu`, in float32."""
    return jax.nn.gelu(x.astype(jnp.float32), approximate=True).astype(x.dtype)
