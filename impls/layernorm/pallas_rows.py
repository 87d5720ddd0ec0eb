"""A block of rows a grid step, held in fast memory while it is centred, squared, summed and scaled."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..pallas_rows import rows_per_block


@partial(jax.jit, static_argnames=("eps", "block_rows", "interpret"))
def layernorm(
    x: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    bias: Float[jax.Array, " dim"],
    eps: float,
    *,
    block_rows=256,
    interpret=False,
) -> Float[jax.Array, "*batch dim"]:
    """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis, computed in float32."""
    rows = x.reshape(-1, x.shape[-1])
    count, dim = rows.shape
    block = rows_per_block(block_rows, count, dim)
    whole = pl.BlockSpec((1, dim), lambda i: (0, 0))
    some = pl.BlockSpec((block, dim), lambda i: (i, 0))
    result = pl.pallas_call(
        partial(_normalised, eps=eps),
        out_shape=jax.ShapeDtypeStruct(rows.shape, x.dtype),
        grid=(pl.cdiv(count, block),),
        in_specs=[some, whole, whole],
        out_specs=some,
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        cost_estimate=pl.CostEstimate(
            flops=7 * count * dim, bytes_accessed=(2 * count + 2) * dim * x.dtype.itemsize, transcendentals=count
        ),
        interpret=interpret,
    )(rows, gain[None], bias[None])
    return result.reshape(x.shape)


def _normalised(x_ref, gain_ref, bias_ref, out_ref, *, eps):
    x = x_ref[...].astype(jnp.float32)
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + eps)
    gain, bias = gain_ref[...].astype(jnp.float32), bias_ref[...].astype(jnp.float32)
    out_ref[...] = (centred * scale * gain + bias).astype(out_ref.dtype)
