"""Sums of blocks first, then within the block that holds the token: XLA's cumulative sum is many passes."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int32

BLOCK = 256


@jax.jit
def sampling_temperature(
    logits: Float[jax.Array, "batch vocab_size"], uniform: Float32[jax.Array, " batch"], temperature: float
) -> Int32[jax.Array, " batch"]:
    """The first token whose cumulative probability passes `uniform`, of `softmax(logits / temperature)`."""
    wide = logits.astype(jnp.float32)
    return passed(jnp.exp((wide - wide.max(axis=1, keepdims=True)) / temperature), uniform)


def passed(weights: Float32[jax.Array, "batch n"], uniform: Float32[jax.Array, " batch"]) -> Int32[jax.Array, " batch"]:
    """In each row, the first place where the sum passes `uniform` of the whole, or the last with a weight above 0."""
    batch, count = weights.shape
    blocks = jnp.pad(weights, ((0, 0), (0, -count % BLOCK))).reshape(batch, -1, BLOCK)
    sums = blocks.sum(axis=2)
    before = jnp.cumsum(sums, axis=1)
    targets = (uniform * before[:, -1])[:, None]
    block = _place(before, targets, sums)
    targets -= jnp.take_along_axis(before - sums, block, axis=1)
    inner = jnp.take_along_axis(blocks, block[:, :, None], axis=1)[:, 0]
    return (block * BLOCK + _place(jnp.cumsum(inner, axis=1), targets, inner))[:, 0]


def _place(sums, targets, weights):
    """The first place of some weight where the sum passes the target, or the last of some weight."""
    places = jnp.arange(weights.shape[1], dtype=jnp.int32)
    last = jnp.where(weights > 0, places, 0).max(axis=1, keepdims=True)
    return jnp.where((sums > targets) & (weights > 0), places, last).min(axis=1, keepdims=True)
