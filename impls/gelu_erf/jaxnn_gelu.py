"""What JAX offers."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def gelu_erf(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """`jax.nn.gelu`, in float32."""
    return jax.nn.gelu(x.astype(jnp.float32), approximate=False).astype(x.dtype)
