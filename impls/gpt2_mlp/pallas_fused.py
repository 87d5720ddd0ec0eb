"""Blocks of the hidden columns are made, activated and projected in fast memory, and never written out."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..jax_products import product


@partial(jax.jit, static_argnames=("block_rows", "block_ffn", "interpret"))
def gpt2_mlp(
    x: Float[jax.Array, "*batch dim"],
    w_in: Float[jax.Array, "ffn_dim dim"],
    b_in: Float[jax.Array, " ffn_dim"],
    w_out: Float[jax.Array, "dim ffn_dim"],
    b_out: Float[jax.Array, " dim"],
    *,
    block_rows=256,
    block_ffn=512,
    interpret=False,
) -> Float[jax.Array, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`, accumulated in float32."""
    rows = x.reshape(-1, x.shape[-1])
    (count, dim), ffn_dim = rows.shape, len(w_in)
    block_rows, block_ffn = min(block_rows, count), min(block_ffn, ffn_dim)
    # What is read beyond the last hidden column would be added to every result.
    spare = -ffn_dim % block_ffn
    w_in, b_in, w_out = (
        jnp.pad(w_in, ((0, spare), (0, 0))),
        jnp.pad(b_in, (0, spare)),
        jnp.pad(w_out, ((0, 0), (0, spare))),
    )
    rows_spec = pl.BlockSpec((block_rows, dim), lambda i, j: (i, 0))
    result = pl.pallas_call(
        _columns,
        out_shape=jax.ShapeDtypeStruct(rows.shape, x.dtype),
        grid=(pl.cdiv(count, block_rows), pl.cdiv(ffn_dim, block_ffn)),
        in_specs=[
            rows_spec,
            pl.BlockSpec((block_ffn, dim), lambda i, j: (j, 0)),
            pl.BlockSpec((1, block_ffn), lambda i, j: (0, j)),
            pl.BlockSpec((dim, block_ffn), lambda i, j: (0, j)),
            pl.BlockSpec((1, dim), lambda i, j: (0, 0)),
        ],
        out_specs=rows_spec,
        scratch_shapes=[pltpu.VMEM((block_rows, dim), jnp.float32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=4 * count * dim * ffn_dim,
            bytes_accessed=x.dtype.itemsize * (2 * dim * ffn_dim + 2 * count * dim + dim + ffn_dim),
            transcendentals=count * ffn_dim,
        ),
        interpret=interpret,
    )(rows, w_in, b_in[None], w_out, b_out[None])
    return result.reshape(x.shape)


def _columns(x_ref, w_in_ref, b_in_ref, w_out_ref, b_out_ref, out_ref, sum_ref):
    @pl.when(pl.program_id(1) == 0)
    def _():
        sum_ref[...] = jnp.broadcast_to(b_out_ref[...].astype(jnp.float32), sum_ref.shape)

    x = x_ref[...]
    hidden = jax.nn.gelu(product(x, w_in_ref[...]) + b_in_ref[...].astype(jnp.float32), approximate=True)
    sum_ref[...] += product(hidden.astype(x.dtype), w_out_ref[...])

    @pl.when(pl.program_id(1) == pl.num_programs(1) - 1)
    def _():
        out_ref[...] = sum_ref[...].astype(out_ref.dtype)
