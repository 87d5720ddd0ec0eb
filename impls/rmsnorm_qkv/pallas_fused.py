"""A block of rows is normalised once, into fast memory; blocks of the weights then stream past it."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..jax_products import product


def prepare(gain, w_q, w_k, w_v, eps):
    return gain, jnp.concatenate([w_q, w_k, w_v]), len(w_q), len(w_k), eps


@partial(jax.jit, static_argnums=(3, 4, 5), static_argnames=("block_rows", "block_out", "interpret"))
def rmsnorm_qkv(
    x: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    weight: Float[jax.Array, "out dim"],
    q_dim: int,
    kv_dim: int,
    eps: float,
    *,
    block_rows=256,
    block_out=256,
    interpret=False,
) -> tuple[Float[jax.Array, "*batch q_dim"], Float[jax.Array, "*batch kv_dim"], Float[jax.Array, "*batch kv_dim"]]:
    """`rmsnorm(x, gain, eps) @ weight.T`, accumulated in float32."""
    rows = x.reshape(-1, x.shape[-1])
    (count, dim), out = rows.shape, len(weight)
    block_rows, block_out = min(block_rows, count), min(block_out, out)
    fused = pl.pallas_call(
        partial(_projected, eps=eps),
        out_shape=jax.ShapeDtypeStruct((count, out), x.dtype),
        grid=(pl.cdiv(count, block_rows), pl.cdiv(out, block_out)),
        in_specs=[
            pl.BlockSpec((block_rows, dim), lambda i, j: (i, 0)),
            pl.BlockSpec((1, dim), lambda i, j: (0, 0)),
            pl.BlockSpec((block_out, dim), lambda i, j: (j, 0)),
        ],
        out_specs=pl.BlockSpec((block_rows, block_out), lambda i, j: (i, j)),
        scratch_shapes=[pltpu.VMEM((block_rows, dim), x.dtype)],
        # The normalised rows are kept from one block of the weights to the next, so that axis is walked in order.
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=count * dim * (4 + 2 * out),
            bytes_accessed=x.dtype.itemsize * (dim * (1 + out) + count * (dim + out)),
            transcendentals=count,
        ),
        interpret=interpret,
    )(rows, gain[None], weight)
    q, k, v = jnp.split(fused.reshape(*x.shape[:-1], out), [q_dim, q_dim + kv_dim], axis=-1)
    return q, k, v


def _projected(x_ref, gain_ref, weight_ref, out_ref, normed_ref, *, eps):
    @pl.when(pl.program_id(1) == 0)
    def _():
        x = x_ref[...].astype(jnp.float32)
        scale = jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps)
        normed_ref[...] = (x * scale * gain_ref[...].astype(jnp.float32)).astype(normed_ref.dtype)

    out_ref[...] = product(normed_ref[...], weight_ref[...]).astype(out_ref.dtype)
