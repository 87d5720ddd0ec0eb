"""What the Pallas products of quantised weights share: a grid over tiles of the result, and innermost over groups.

The weights lie as `[groups, 32, out]`: a group is the 32 rows of one tile of bytes on a TPU, and its scales are a row.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from .jax_quantisation import quantised_groups
from .quantisation import GROUP


def by_groups(array, scales):
    """Bytes `[out, bytes]` as `[groups, bytes of a group, out]`, scales `[out, groups]` as `[groups, 1, out]`."""
    groups = array.reshape(*scales.shape, -1).transpose(1, 2, 0)
    return groups, scales.astype(jnp.float32).T[:, None]


def tiled(kernel, x, rows_of_x, weight, scales, blocks, interpret):
    """`pallas_call` of `kernel(*row_refs, weight_ref, scales_ref, out_ref, sum_ref)`, whose sum lasts over the groups.

    x `[*batch, dim]`, whose shape and dtype the result takes; rows_of_x: what is made of it, `[groups, rows, ...]`
    each; weight `[groups, ..., out]`; blocks: rows, outputs and groups at a time. Groups that fill up the last block
    are zero.
    """
    groups, _, out = weight.shape
    count = rows_of_x[0].shape[1]
    result = jax.ShapeDtypeStruct((count, out), x.dtype)
    rows, columns, depth = (min(block, size) for block, size in zip(blocks, (count, out, groups), strict=True))
    spare = -groups % depth
    arrays = [jnp.pad(array, ((0, spare), (0, 0), (0, 0))) for array in (*rows_of_x, weight, scales)]
    product = pl.pallas_call(
        kernel,
        out_shape=result,
        grid=(pl.cdiv(count, rows), pl.cdiv(out, columns), pl.cdiv(groups, depth)),
        in_specs=[
            *(pl.BlockSpec((depth, rows, array.shape[2]), lambda i, j, k: (k, i, 0)) for array in rows_of_x),
            pl.BlockSpec((depth, weight.shape[1], columns), lambda i, j, k: (k, 0, j)),
            pl.BlockSpec((depth, 1, columns), lambda i, j, k: (k, 0, j)),
        ],
        out_specs=pl.BlockSpec((rows, columns), lambda i, j, k: (i, j)),
        scratch_shapes=[pltpu.VMEM((rows, columns), jnp.float32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=2 * x.size * out,
            bytes_accessed=sum(array.size * array.dtype.itemsize for array in (*rows_of_x, weight, scales, result)),
            transcendentals=0,
        ),
        interpret=interpret,
    )
    return product(*arrays).reshape(*x.shape[:-1], out)


def first_and_last(sum_ref, out_ref):
    """Clears the sum before the first block of groups; returns what writes it out after the last."""

    @pl.when(pl.program_id(2) == 0)
    def _():
        sum_ref[...] = jnp.zeros_like(sum_ref)

    def finish():
        @pl.when(pl.program_id(2) == pl.num_programs(2) - 1)
        def _():
            out_ref[...] = sum_ref[...].astype(out_ref.dtype)

    return finish


def add_groups(x_ref, steps_ref, scales_ref, sum_ref, group_weight):
    """Adds the products of bytes of each group, in int32, times the scales of both sides; `group_weight(g)` is int8."""
    sums = sum_ref[...]
    for group in range(x_ref.shape[0]):
        total = jax.lax.dot(x_ref[group], group_weight(group), preferred_element_type=jnp.int32)
        sums += total.astype(jnp.float32) * (steps_ref[group] * scales_ref[group])
    sum_ref[...] = sums


def quantised_rows(x):
    """Rows of x as bytes `[groups, rows, 32]` and scales `[groups, rows, 1]`."""
    bytes_of, steps = quantised_groups(x.reshape(-1, x.shape[-1] // GROUP, GROUP))
    return bytes_of.transpose(1, 0, 2), steps.T[..., None]
