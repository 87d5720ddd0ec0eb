"""No mask: a comparison of positions in the loop over scores, so that these are all that is read."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int


@jax.jit
def attention_mask(
    scores: Float[jax.Array, "batch heads seq keys"],
    positions: Int[jax.Array, " seq"],
    key_positions: Int[jax.Array, " keys"],
    window: int,
) -> Float[jax.Array, "batch heads seq keys"]:
    """The scores, -inf where the key comes after the position, or `window` or more before it."""
    distance = positions[:, None] - key_positions
    return jnp.where((distance >= 0) & (distance < window), scores, jnp.asarray(-jnp.inf, scores.dtype))
