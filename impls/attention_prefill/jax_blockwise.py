"""A scan over blocks of keys with an online softmax: the scores of one block are all that is held at once.

Rabe and Staats 2021, arXiv 2112.05682. Every query meets every block, also those after it: a scan has no shorter turns.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float


@partial(jax.jit, static_argnames="block")
def attention_prefill(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    *,
    block=128,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """`softmax(q k' / sqrt(head_dim)) v` over each position and those before it; summed in float32."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    group, blocks = heads // kv_heads, -(-seq // block)
    # One axis for batch and key heads, one for positions and the heads of a group: XLA on a CPU is slow with more.
    rows = q.reshape(batch, seq, kv_heads, group, head_dim).transpose(0, 2, 1, 3, 4).reshape(-1, seq * group, head_dim)
    position = jnp.repeat(jnp.arange(seq, dtype=jnp.int32), group)[:, None]

    def turn(carry, turned):
        top, total, mixed = carry
        start, keys, values = turned
        scores = _summed("nqd,nkd->nqk", rows, keys) * jnp.float32(head_dim**-0.5)
        scores = jnp.where(start + jnp.arange(block, dtype=jnp.int32) <= position, scores, -jnp.inf)
        # Of the first block every query sees a key, so the largest score is finite from then on.
        found = jnp.maximum(top, scores.max(axis=-1, keepdims=True))
        weights, shrunk = jnp.exp(scores - found), jnp.exp(top - found)
        total = total * shrunk + weights.sum(axis=-1, keepdims=True)
        mixed = mixed * shrunk + _summed("nqk,nkd->nqd", weights.astype(v.dtype), values)
        return (found, total, mixed), None

    nothing = jnp.full((*rows.shape[:2], 1), -jnp.inf), jnp.zeros((*rows.shape[:2], 1)), jnp.zeros(rows.shape)
    starts = jnp.arange(0, blocks * block, block, dtype=jnp.int32)
    turns = (starts, _blocks(k, block, blocks), _blocks(v, block, blocks))
    (_, total, mixed), _ = lax.scan(turn, tuple(x.astype(jnp.float32) for x in nothing), turns)
    result = (mixed / total).reshape(batch, kv_heads, seq, group, head_dim).transpose(0, 2, 1, 3, 4)
    return result.reshape(q.shape).astype(q.dtype)


def _blocks(x, block, blocks):
    """`[blocks, batch * kv_heads, block, head_dim]`, zeros behind the last."""
    batch, seq, kv_heads, head_dim = x.shape
    padded = jnp.pad(x, ((0, 0), (0, blocks * block - seq), (0, 0), (0, 0)))
    split = padded.reshape(batch, blocks, block, kv_heads, head_dim).transpose(1, 0, 3, 2, 4)
    return split.reshape(blocks, batch * kv_heads, block, head_dim)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
