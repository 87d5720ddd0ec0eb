"""Blocks of the hidden columns are made, activated and projected down in fast memory, and never written out."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from ..jax_products import product


@partial(jax.jit, static_argnames=("block_rows", "block_ffn", "interpret"))
def swiglu(
    x: Float[jax.Array, "*batch dim"],
    w_gate: Float[jax.Array, "ffn_dim dim"],
    w_up: Float[jax.Array, "ffn_dim dim"],
    w_down: Float[jax.Array, "dim ffn_dim"],
    *,
    block_rows=256,
    block_ffn=256,
    interpret=False,
) -> Float[jax.Array, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, accumulated in float32."""
    rows = x.reshape(-1, x.shape[-1])
    (count, dim), ffn_dim = rows.shape, len(w_gate)
    block_rows, block_ffn = min(block_rows, count), min(block_ffn, ffn_dim)
    # What is read beyond the last hidden column would be added to every result.
    spare = -ffn_dim % block_ffn
    w_gate, w_up = (jnp.pad(weight, ((0, spare), (0, 0))) for weight in (w_gate, w_up))
    w_down = jnp.pad(w_down, ((0, 0), (0, spare)))
    inward = pl.BlockSpec((block_ffn, dim), lambda i, j: (j, 0))
    outward = pl.BlockSpec((dim, block_ffn), lambda i, j: (0, j))
    rows_spec = pl.BlockSpec((block_rows, dim), lambda i, j: (i, 0))
    result = pl.pallas_call(
        _columns,
        out_shape=jax.ShapeDtypeStruct(rows.shape, x.dtype),
        grid=(pl.cdiv(count, block_rows), pl.cdiv(ffn_dim, block_ffn)),
        in_specs=[rows_spec, inward, inward, outward],
        out_specs=rows_spec,
        scratch_shapes=[pltpu.VMEM((block_rows, dim), jnp.float32)],
        # Two blocks of each weight of a large model are more than the 16 MiB that the compiler takes by itself.
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary"), vmem_limit_bytes=64 << 20),
        cost_estimate=pl.CostEstimate(
            flops=6 * count * dim * ffn_dim,
            bytes_accessed=x.dtype.itemsize * (3 * dim * ffn_dim + 2 * count * dim),
            transcendentals=count * ffn_dim,
        ),
        interpret=interpret,
    )(rows, w_gate, w_up, w_down)
    return result.reshape(x.shape)


def _columns(x_ref, gate_ref, up_ref, down_ref, out_ref, sum_ref):
    @pl.when(pl.program_id(1) == 0)
    def _():
        sum_ref[...] = jnp.zeros_like(sum_ref)

    x = x_ref[...]
    hidden = (jax.nn.silu(product(x, gate_ref[...])) * product(x, up_ref[...])).astype(x.dtype)
    sum_ref[...] += product(hidden, down_ref[...])

    @pl.when(pl.program_id(1) == pl.num_programs(1) - 1)
    def _():
        out_ref[...] = sum_ref[...].astype(out_ref.dtype)
