"""What JAX offers."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def silu(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`jax.nn.silu`, in float32."""
    return jax.nn.silu(x.astype(jnp.float32)).astype(x.dtype)
