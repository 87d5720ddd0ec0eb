"""One row a sequence reaches the product."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def lm_head_all(
    hidden: Float[jax.Array, "batch tokens dim"], weight: Float[jax.Array, "vocab_size dim"]
) -> Float[jax.Array, "batch vocab_size"]:
    """`hidden[:, -1] @ weight.T`, accumulated in float32."""
    return product(hidden[:, -1], weight).astype(hidden.dtype)
