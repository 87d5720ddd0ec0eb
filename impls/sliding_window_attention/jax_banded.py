"""Blocks of queries against the blocks of keys in their windows, all in one product of fixed shape."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float


@partial(jax.jit, static_argnames=("window", "block"))
def sliding_window_attention(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    window: int,
    *,
    block=64,
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """Attention of each position to `window` positions up to itself; summed in float32."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    group, blocks = heads // kv_heads, -(-seq // block)
    # Blocks behind the first that a window reaches into.
    reach = min(-(-(window - 1) // block), blocks - 1)
    rows = _blocks(q, block, blocks).reshape(blocks, batch, block, kv_heads, group, head_dim)
    rows = rows.transpose(0, 1, 3, 2, 4, 5).reshape(blocks * batch * kv_heads, block * group, head_dim)
    keys, values = (_bands(x, block, blocks, reach) for x in (k, v))
    scores = _summed("nqd,nkd->nqk", rows, keys) * jnp.float32(head_dim**-0.5)
    position = reach * block + jnp.repeat(jnp.arange(block, dtype=jnp.int32), group)[:, None]
    key = jnp.arange((reach + 1) * block, dtype=jnp.int32)
    # In the first blocks a band begins before the text, with zeros that nobody sees.
    real = jnp.arange(blocks, dtype=jnp.int32)[:, None, None] * block + key >= reach * block
    seen = (key <= position) & (key > position - window) & real
    seen = jnp.repeat(seen, batch * kv_heads, axis=0)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1).astype(v.dtype)
    mixed = _summed("nqk,nkd->nqd", weights, values).reshape(blocks, batch, kv_heads, block, group, head_dim)
    return mixed.transpose(1, 0, 3, 2, 4, 5).reshape(batch, -1, heads, head_dim)[:, :seq].astype(q.dtype)


def _blocks(x, block, blocks):
    """`[blocks, batch, block, heads, head_dim]`, zeros behind the last position."""
    batch, seq, heads, head_dim = x.shape
    padded = jnp.pad(x, ((0, 0), (0, blocks * block - seq), (0, 0), (0, 0)))
    return padded.reshape(batch, blocks, block, heads, head_dim).swapaxes(0, 1)


def _bands(x, block, blocks, reach):
    """Each block with those that windows reach into: `[blocks * batch * kv_heads, (reach + 1) * block, head_dim]`."""
    split = _blocks(x, block, blocks)
    padded = jnp.pad(split, ((reach, 0), (0, 0), (0, 0), (0, 0), (0, 0)))
    bands = jnp.concatenate([padded[i : i + blocks] for i in range(reach + 1)], axis=2)
    return bands.transpose(0, 1, 3, 2, 4).reshape(-1, (reach + 1) * block, x.shape[3])


def _summed(equation, left, right):
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)
