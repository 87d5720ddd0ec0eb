"""The listed blocks gathered, for all blocks of queries at once: one product of fixed shape, whatever they are."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Int


@partial(jax.jit, static_argnames="block")
def block_sparse_attention(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    blocks: Int[jax.Array, "query_blocks present"],
    block: int,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """Attention of each position to those before it in the blocks of keys listed for its block; summed in float32."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    group, (count, present) = heads // kv_heads, blocks.shape
    rows = _blocks(q, block, count).reshape(count, block, batch, kv_heads, group, head_dim)
    rows = rows.transpose(0, 2, 3, 1, 4, 5).reshape(count * batch * kv_heads, block * group, head_dim)
    keys, values = (_gathered(x, blocks, block) for x in (k, v))
    scores = _summed("nqd,nkd->nqk", rows, keys) * jnp.float32(head_dim**-0.5)
    offset = jnp.arange(block, dtype=jnp.int32)
    position = jnp.arange(count, dtype=jnp.int32)[:, None] * block + jnp.repeat(offset, group)
    key = (blocks[:, :, None] * block + offset).reshape(count, present * block)
    seen = (key[:, None] <= position[:, :, None]) & (key[:, None] >= 0)
    seen = jnp.repeat(seen, batch * kv_heads, axis=0)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v.dtype)
    mixed = _summed("nqk,nkd->nqd", weights, values).reshape(count, batch, kv_heads, block, group, head_dim)
    return mixed.transpose(1, 0, 3, 2, 4, 5).reshape(batch, -1, heads, head_dim)[:, :seq].astype(q.dtype)


def _blocks(x, block, count):
    """`[count, block, batch, heads, head_dim]`, zeros behind the last position."""
    batch, seq, heads, head_dim = x.shape
    padded = jnp.pad(x, ((0, 0), (0, count * block - seq), (0, 0), (0, 0)))
    return padded.reshape(batch, count, block, heads, head_dim).transpose(1, 2, 0, 3, 4)


def _gathered(x, blocks, block):
    """Keys or values of the blocks in each row of the table: `[rows * batch * kv_heads, present * block, head_dim]`."""
    picked = _blocks(x, block, len(blocks)).at[jnp.maximum(blocks, 0)].get(mode="promise_in_bounds")
    rows, present, _, batch, kv_heads, head_dim = picked.shape
    return picked.transpose(0, 3, 4, 1, 2, 5).reshape(rows * batch * kv_heads, present * block, head_dim)


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
