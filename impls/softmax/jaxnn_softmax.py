"""What JAX offers."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def softmax(x: Float[jax.Array, "*batch n"]) -> Float[jax.Array, "*batch n"]:
    """`jax.nn.softmax`, in float32."""
    return jax.nn.softmax(x.astype(jnp.float32)).astype(x.dtype)
