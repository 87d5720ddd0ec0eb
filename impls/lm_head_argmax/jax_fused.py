"""One program; the logits stay in float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int32

from ..jax_products import product


@jax.jit
def lm_head_argmax(
    hidden: Float[jax.Array, "batch dim"], weight: Float[jax.Array, "vocab_size dim"]
) -> Int32[jax.Array, " batch"]:
    """`argmax(hidden @ weight.T)` a row."""
    return jnp.argmax(product(hidden, weight), axis=-1).astype(jnp.int32)
