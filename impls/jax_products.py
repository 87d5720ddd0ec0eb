"""Products with weights in JAX, accumulated in float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


def product(x: Float[jax.Array, "*batch n"], weight: Float[jax.Array, "m n"]) -> Float[jax.Array, "*batch m"]:
    """`x @ weight.T` in float32, whatever the dtype of its factors."""
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(
        "...n,mn->...m", x, weight, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
