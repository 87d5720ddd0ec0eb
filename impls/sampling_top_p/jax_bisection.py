"""The bound of the nucleus by bisection over the bits of a float32: 31 sums in place of a sort."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.jax_blocks import passed

BITS = 31


@jax.jit
def sampling_top_p(
    logits: Float[jax.Array, "batch vocab_size"], uniform: Float32[jax.Array, " batch"], temperature: float, p: float
) -> Int32[jax.Array, " batch"]:
    """As `sampling_temperature`, from the nucleus: a token is in it if all likelier ones together stay below `p`."""
    wide = logits.astype(jnp.float32)
    weights = jnp.exp((wide - wide.max(axis=1, keepdims=True)) / temperature)
    # Floats that are not negative have the order of their bits.
    bits = jax.lax.bitcast_convert_type(weights, jnp.int32)
    enough = p * weights.sum(axis=1, keepdims=True)

    def step(i, bound):
        lower = bound - (jnp.int32(1) << (BITS - 1 - i))
        above = jnp.where(bits > lower, weights, 0).sum(axis=1, keepdims=True)
        return jnp.where(above < enough, lower, bound)

    # The least bits that all likelier tokens stay below `p` of; none are above infinity's.
    bound = jax.lax.fori_loop(0, BITS, step, jnp.full_like(bits[:, :1], 2**31 - 1))
    return passed(jnp.where(bits >= bound, weights, 0), uniform)
