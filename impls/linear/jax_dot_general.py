"""The product as XLA's own operation, contracted over the last axis of both."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def linear(x: Float[jax.Array, "*batch dim"], weight: Float[jax.Array, "out dim"]) -> Float[jax.Array, "*batch out"]:
    """`x @ weight.T`, accumulated in float32."""
    last = x.ndim - 1
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    product = jax.lax.dot_general(
        x, weight, (((last,), (1,)), ((), ())), jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    return product.astype(x.dtype)
