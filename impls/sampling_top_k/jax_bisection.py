"""The k-th largest logit by bisection over the bits of a float32: 32 counts, where XLA's `top_k` on a CPU sorts."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.jax_blocks import passed
from .reference import check_k


@partial(jax.jit, static_argnames="k")
def sampling_top_k(
    logits: Float[jax.Array, "batch vocab_size"], uniform: Float32[jax.Array, " batch"], temperature: float, k: int
) -> Int32[jax.Array, " batch"]:
    """As `sampling_temperature`, from the `k` likeliest tokens and those as likely as the last of them."""
    check_k(k)
    wide = logits.astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(jnp.where(wide == 0, jnp.float32(0), wide), jnp.int32)  # -0 becomes 0
    # Negative floats have the reverse order of their bits, all others the order.
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)

    def step(i, bound):
        higher = bound + (jnp.int32(1) << (30 - i))
        count = (ordered >= higher).sum(axis=1, keepdims=True, dtype=jnp.int32)
        return jnp.where(count >= k, higher, bound)

    positive = (ordered >= 0).sum(axis=1, keepdims=True, dtype=jnp.int32) >= k
    start = jnp.where(positive, jnp.int32(0), jnp.int32(-(2**31)))
    bound = jax.lax.fori_loop(0, 31, step, start)
    weights = jnp.exp((wide - wide.max(axis=1, keepdims=True)) / temperature)
    return passed(jnp.where(ordered >= bound, weights, 0), uniform)
