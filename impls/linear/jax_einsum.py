"""The product by the names of its axes."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def linear(x: Float[jax.Array, "*batch dim"], weight: Float[jax.Array, "out dim"]) -> Float[jax.Array, "*batch out"]:
    """`einsum("...i,oi->...o", x, weight)`, accumulated in float32."""
    return product(x, weight).astype(x.dtype)
