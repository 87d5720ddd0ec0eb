"""Tiles of the result, each summed in float32 in fast memory while blocks of both factors stream past it."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..jax_products import product


@partial(jax.jit, static_argnames=("block_rows", "block_out", "block_dim", "interpret"))
def linear(
    x: Float[jax.Array, "*batch dim"],
    weight: Float[jax.Array, "out dim"],
    *,
    block_rows=256,
    block_out=512,
    block_dim=512,
    interpret=False,
) -> Float[jax.Array, "*batch out"]:
    """`x @ weight.T`, accumulated in float32."""
    rows = x.reshape(-1, x.shape[-1])
    (count, dim), out = rows.shape, len(weight)
    block_rows, block_out, block_dim = min(block_rows, count), min(block_out, out), min(block_dim, dim)
    # What is read beyond the last element of a sum would be added to it; beyond the other axes it is never kept.
    spare = -dim % block_dim
    rows, weight = (jnp.pad(array, ((0, 0), (0, spare))) for array in (rows, weight))
    itemsize = x.dtype.itemsize
    result = pl.pallas_call(
        _tile,
        out_shape=jax.ShapeDtypeStruct((count, out), x.dtype),
        grid=(pl.cdiv(count, block_rows), pl.cdiv(out, block_out), pl.cdiv(dim, block_dim)),
        in_specs=[
            pl.BlockSpec((block_rows, block_dim), lambda i, j, k: (i, k)),
            pl.BlockSpec((block_out, block_dim), lambda i, j, k: (j, k)),
        ],
        out_specs=pl.BlockSpec((block_rows, block_out), lambda i, j, k: (i, j)),
        scratch_shapes=[pltpu.VMEM((block_rows, block_out), jnp.float32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=2 * count * dim * out,
            bytes_accessed=itemsize * (dim * out + count * (dim + out)),
            transcendentals=0,
        ),
        interpret=interpret,
    )(rows, weight)
    return result.reshape(*x.shape[:-1], out)


def _tile(x_ref, weight_ref, out_ref, sum_ref):
    @pl.when(pl.program_id(2) == 0)
    def _():
        sum_ref[...] = jnp.zeros_like(sum_ref)

    sum_ref[...] += product(x_ref[...], weight_ref[...])

    @pl.when(pl.program_id(2) == pl.num_programs(2) - 1)
    def _():
        out_ref[...] = sum_ref[...].astype(out_ref.dtype)
