"""A block of queries of one head a grid step; scores, mask and result pass through fast memory once."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..pallas_rows import rows_per_block


@partial(jax.jit, static_argnames=("scale", "block_rows", "interpret"))
def masked_softmax(
    scores: Float[jax.Array, "heads queries keys"],
    mask: Float[jax.Array, "queries keys"],
    scale: float,
    *,
    block_rows=256,
    interpret=False,
) -> Float[jax.Array, "heads queries keys"]:
    """The softmax of `scores * scale + mask` over keys; 0 where a query may see no key, computed in float32."""
    heads, queries, keys = scores.shape
    block = rows_per_block(block_rows, queries, keys)
    some = pl.BlockSpec((None, block, keys), lambda i, head: (head, i, 0))
    return pl.pallas_call(
        partial(_shares, scale=scale),
        out_shape=jax.ShapeDtypeStruct(scores.shape, scores.dtype),
        # Heads within a block of queries, so that a block of the mask is fetched once.
        grid=(pl.cdiv(queries, block), heads),
        in_specs=[some, pl.BlockSpec((block, keys), lambda i, head: (i, 0))],
        out_specs=some,
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel")),
        cost_estimate=pl.CostEstimate(
            flops=6 * scores.size,
            bytes_accessed=(2 * scores.size + mask.size) * scores.dtype.itemsize,
            transcendentals=scores.size,
        ),
        interpret=interpret,
    )(scores, mask)


def _shares(scores_ref, mask_ref, out_ref, *, scale):
    masked = scores_ref[...].astype(jnp.float32) * scale + mask_ref[...].astype(jnp.float32)
    top = jnp.max(masked, axis=-1, keepdims=True)
    exponentials = jnp.exp(masked - jnp.where(top == -jnp.inf, 0.0, top))
    total = jnp.sum(exponentials, axis=-1, keepdims=True)
    out_ref[...] = (exponentials / jnp.where(total == 0, 1.0, total)).astype(out_ref.dtype)
