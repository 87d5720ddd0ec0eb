"""A block of rows a grid step, held in fast memory while it is squared, summed and scaled."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float


@partial(jax.jit, static_argnames=("eps", "block_rows", "interpret"))
def rmsnorm(
    x: Float[jax.Array, "*batch dim"], gain: Float[jax.Array, " dim"], eps: float, *, block_rows=256, interpret=False
) -> Float[jax.Array, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis, computed in float32."""
    rows = x.reshape(-1, x.shape[-1])
    count, dim = rows.shape
    block = min(block_rows, count)
    result = pl.pallas_call(
        partial(_normalised, eps=eps),
        out_shape=jax.ShapeDtypeStruct(rows.shape, x.dtype),
        grid=(pl.cdiv(count, block),),
        in_specs=[pl.BlockSpec((block, dim), lambda i: (i, 0)), pl.BlockSpec((1, dim), lambda i: (0, 0))],
        out_specs=pl.BlockSpec((block, dim), lambda i: (i, 0)),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        cost_estimate=pl.CostEstimate(
            flops=4 * count * dim, bytes_accessed=(2 * count + 1) * dim * x.dtype.itemsize, transcendentals=count
        ),
        interpret=interpret,
    )(rows, gain[None])
    return result.reshape(x.shape)


def _normalised(x_ref, gain_ref, out_ref, *, eps):
    x = x_ref[...].astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps)
    out_ref[...] = (x * scale * gain_ref[...].astype(jnp.float32)).astype(out_ref.dtype)
