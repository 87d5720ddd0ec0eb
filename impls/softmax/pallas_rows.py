"""A block of whole rows a grid step, held in fast memory from the maximum to the division."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..pallas_rows import rows_per_block


@partial(jax.jit, static_argnames=("block_rows", "interpret"))
def softmax(x: Float[jax.Array, "*batch n"], *, block_rows=256, interpret=False) -> Float[jax.Array, "*batch n"]:
    """`exp(x) / sum(exp(x))` over the last axis, computed in float32."""
    rows = x.reshape(-1, x.shape[-1])
    count, columns = rows.shape
    block = rows_per_block(block_rows, count, columns)
    some = pl.BlockSpec((block, columns), lambda i: (i, 0))
    result = pl.pallas_call(
        _shares,
        out_shape=jax.ShapeDtypeStruct(rows.shape, x.dtype),
        grid=(pl.cdiv(count, block),),
        in_specs=[some],
        out_specs=some,
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        cost_estimate=pl.CostEstimate(
            flops=4 * x.size, bytes_accessed=2 * x.size * x.dtype.itemsize, transcendentals=x.size
        ),
        interpret=interpret,
    )(rows)
    return result.reshape(x.shape)


def _shares(x_ref, out_ref):
    x = x_ref[...].astype(jnp.float32)
    exponentials = jnp.exp(x - jnp.max(x, axis=-1, keepdims=True))
    out_ref[...] = (exponentials / jnp.sum(exponentials, axis=-1, keepdims=True)).astype(out_ref.dtype)
