"""Every position, as the textbook has it, in one program: whether XLA sees that only the last is used."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def lm_head_all(
    hidden: Float[jax.Array, "batch tokens dim"], weight: Float[jax.Array, "vocab_size dim"]
) -> Float[jax.Array, "batch vocab_size"]:
    """`(hidden @ weight.T)[:, -1]`, accumulated in float32."""
    return product(hidden, weight)[:, -1].astype(hidden.dtype)
