"""Weights stay bytes until they are in fast memory, where each group of 32 is scaled and multiplied."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int8

from ..pallas_groups import by_groups, first_and_last, tiled


def prepare(weight, scales):
    return by_groups(weight, scales)


@partial(jax.jit, static_argnames=("block_rows", "block_out", "block_groups", "interpret"))
def linear_int8(
    x: Float[jax.Array, "*batch dim"],
    weight: Int8[jax.Array, "groups 32 out"],
    scales: Float32[jax.Array, "groups 1 out"],
    *,
    block_rows=256,
    block_out=512,
    block_groups=16,
    interpret=False,
) -> Float[jax.Array, "*batch out"]:
    """`x @ (weight * scales).T`, the weight laid out by `prepare` and scaled in the dtype of x; summed in float32."""
    rows = x.reshape(-1, *weight.shape[:2]).transpose(1, 0, 2)
    blocks = block_rows, block_out, block_groups
    return tiled(_tile, x, (rows,), weight, scales, blocks, interpret)


def _tile(x_ref, weight_ref, scales_ref, out_ref, sum_ref):
    finish = first_and_last(sum_ref, out_ref)
    sums = sum_ref[...]
    for group in range(x_ref.shape[0]):
        weight = (weight_ref[group].astype(jnp.float32) * scales_ref[group]).astype(x_ref.dtype)
        # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16.
        sums += jax.lax.dot(
            x_ref[group], weight, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
        )
    sum_ref[...] = sums
    finish()
