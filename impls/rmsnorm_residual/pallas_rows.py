"""A block of rows a grid step: added, squared and scaled in fast memory; the slow one is passed once by each array."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..pallas_rows import rows_per_block


@partial(jax.jit, static_argnames=("eps", "block_rows", "interpret"))
def rmsnorm_residual(
    x: Float[jax.Array, "*batch dim"],
    residual: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    eps: float,
    *,
    block_rows=256,
    interpret=False,
) -> tuple[Float[jax.Array, "*batch dim"], Float[jax.Array, "*batch dim"]]:
    """The sum `s = x + residual`, and `s / sqrt(mean(s**2) + eps) * gain` over the last axis, in float32."""
    rows = x.reshape(-1, x.shape[-1])
    count, dim = rows.shape
    block = rows_per_block(block_rows, count, dim)
    some = pl.BlockSpec((block, dim), lambda i: (i, 0))
    shape = jax.ShapeDtypeStruct(rows.shape, x.dtype)
    total, normed = pl.pallas_call(
        partial(_added, eps=eps),
        out_shape=(shape, shape),
        grid=(pl.cdiv(count, block),),
        in_specs=[some, some, pl.BlockSpec((1, dim), lambda i: (0, 0))],
        out_specs=(some, some),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        cost_estimate=pl.CostEstimate(
            flops=5 * count * dim, bytes_accessed=(4 * count + 1) * dim * x.dtype.itemsize, transcendentals=count
        ),
        interpret=interpret,
    )(rows, residual.reshape(rows.shape), gain[None])
    return total.reshape(x.shape), normed.reshape(x.shape)


def _added(x_ref, residual_ref, gain_ref, total_ref, normed_ref, *, eps):
    total = x_ref[...].astype(jnp.float32) + residual_ref[...].astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(total * total, axis=-1, keepdims=True) + eps)
    total_ref[...] = total.astype(total_ref.dtype)
    normed_ref[...] = (total * scale * gain_ref[...].astype(jnp.float32)).astype(normed_ref.dtype)
