"""A mask to add, built once."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int


def prepare(positions: Int[jax.Array, " seq"], key_positions: Int[jax.Array, " keys"], window: int):
    distance = positions[:, None] - key_positions
    return (jnp.where((distance >= 0) & (distance < window), jnp.float32(0), -jnp.inf),)


@jax.jit
def attention_mask(
    scores: Float[jax.Array, "batch heads seq keys"],
    mask: Float32[jax.Array, "seq keys"],
) -> Float[jax.Array, "batch heads seq keys"]:
    """The scores, and a mask of 0 and -inf added."""
    return (scores.astype(jnp.float32) + mask).astype(scores.dtype)
