"""A block of tokens a grid step; both halves of a head are written where they belong, nothing is concatenated."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..rotary.blocks import turned_blocks


@partial(jax.jit, static_argnames=("block_tokens", "interpret"))
def rope(
    x: Float[jax.Array, "*batch seq heads head_dim"],
    cos: Float[jax.Array, "seq half"],
    sin: Float[jax.Array, "seq half"],
    *,
    block_tokens=64,
    interpret=False,
) -> Float[jax.Array, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2]); float32 within."""
    return turned_blocks(_turn, x, cos, sin, block_tokens=block_tokens, interpret=interpret)


def _turn(x_ref, cos_ref, sin_ref, out_ref):
    half = cos_ref.shape[1]
    cos, sin = (table[...].astype(jnp.float32)[:, None, :] for table in (cos_ref, sin_ref))
    real, imaginary = x_ref[..., :half].astype(jnp.float32), x_ref[..., half:].astype(jnp.float32)
    out_ref[..., :half] = (real * cos - imaginary * sin).astype(out_ref.dtype)
    out_ref[..., half:] = (real * sin + imaginary * cos).astype(out_ref.dtype)
