"""A block of tokens a grid step; the neighbours change places in the matrix unit.

A TPU has no cheap way to take lanes two by two. Times a matrix of 0, 1 and -1 each pair becomes (-x[2 i + 1], x[2 i]),
exactly, and the rest is whole vectors.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from ..rotary.blocks import turned_blocks


@partial(jax.jit, static_argnames=("block_tokens", "interpret"))
def rope_interleaved(
    x: Float[jax.Array, "*batch seq heads head_dim"],
    cos: Float[jax.Array, "seq half"],
    sin: Float[jax.Array, "seq half"],
    *,
    block_tokens=64,
    interpret=False,
) -> Float[jax.Array, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1]); float32 within."""
    doubled = (jnp.repeat(table, 2, axis=1) for table in (cos, sin))
    return turned_blocks(_turn, x, *doubled, block_tokens=block_tokens, interpret=interpret)


def _turn(x_ref, cos_ref, sin_ref, out_ref):
    x = x_ref[...].astype(jnp.float32)
    cos, sin = (table[...].astype(jnp.float32)[:, None, :] for table in (cos_ref, sin_ref))
    head_dim = x.shape[-1]
    source, target = (lax.broadcasted_iota(jnp.int32, (head_dim, head_dim), axis) for axis in (0, 1))
    even = (target & 1) == 0
    swap = jnp.where(even & (source == target + 1), -1.0, jnp.where(~even & (source == target - 1), 1.0, 0.0))
    swapped = lax.dot_general(
        x.reshape(-1, head_dim),
        swap.astype(jnp.float32),
        (((1,), (0,)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    out_ref[...] = (x * cos + swapped.reshape(x.shape) * sin).astype(out_ref.dtype)
