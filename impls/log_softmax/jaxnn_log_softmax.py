"""What JAX offers."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def log_softmax(x: Float[jax.Array, "*batch n"]) -> Float[jax.Array, "*batch n"]:
    """`jax.nn.log_softmax`, in float32."""
    return jax.nn.log_softmax(x.astype(jnp.float32)).astype(x.dtype)
