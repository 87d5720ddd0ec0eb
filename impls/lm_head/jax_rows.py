"""One product with the table as it lies."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def lm_head(
    hidden: Float[jax.Array, "batch dim"], weight: Float[jax.Array, "vocab_size dim"]
) -> Float[jax.Array, "batch vocab_size"]:
    """`hidden @ weight.T`, accumulated in float32."""
    return product(hidden, weight).astype(hidden.dtype)
