"""One reduction."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int32


@jax.jit
def sampling_greedy(logits: Float[jax.Array, "batch vocab_size"]) -> Int32[jax.Array, " batch"]:
    """The likeliest token of each row; of equal ones the first."""
    return jax.lax.argmax(logits, 1, jnp.int32)
