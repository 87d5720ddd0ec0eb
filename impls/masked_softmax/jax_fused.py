"""One program: XLA fuses scaling and mask with the maximum, and again with the exponential."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def masked_softmax(
    scores: Float[jax.Array, "heads queries keys"],
    mask: Float[jax.Array, "queries keys"],
    scale: float,
) -> Float[jax.Array, "heads queries keys"]:
    """The softmax of `scores * scale + mask` over keys; 0 where a query may see no key; float32 within."""
    masked = scores.astype(jnp.float32) * scale + mask.astype(jnp.float32)
    top = masked.max(axis=-1, keepdims=True)
    exponentials = jnp.exp(masked - jnp.where(top == -jnp.inf, 0, top))
    total = exponentials.sum(axis=-1, keepdims=True)
    return (exponentials / jnp.where(total == 0, 1, total)).astype(scores.dtype)
