"""Products of bytes on the matrix unit, a group of 32 at a time, scaled and summed in float32 in fast memory."""

from functools import partial

import jax
from jaxtyping import Float, Float32, Int8

from ..pallas_groups import add_groups, by_groups, first_and_last, quantised_rows, tiled


def prepare(weight, scales):
    return by_groups(weight, scales)


@partial(jax.jit, static_argnames=("block_rows", "block_out", "block_groups", "interpret"))
def linear_int8_int8(
    x: Float[jax.Array, "*batch dim"],
    weight: Int8[jax.Array, "groups 32 out"],
    scales: Float32[jax.Array, "groups 1 out"],
    *,
    block_rows=256,
    block_out=512,
    block_groups=16,
    interpret=False,
) -> Float[jax.Array, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`; the weight is laid out by `prepare`."""
    blocks = block_rows, block_out, block_groups
    return tiled(_tile, x, quantised_rows(x), weight, scales, blocks, interpret)


def _tile(x_ref, steps_ref, weight_ref, scales_ref, out_ref, sum_ref):
    finish = first_and_last(sum_ref, out_ref)
    add_groups(x_ref, steps_ref, scales_ref, sum_ref, lambda group: weight_ref[group])
    finish()
