"""Weights stay two a byte until they are in fast memory; then as with bytes, a group of 32 at a time."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, UInt8

from ..pallas_groups import add_groups, by_groups, first_and_last, quantised_rows, tiled


def prepare(weight, scales):
    return by_groups(weight, scales)


@partial(jax.jit, static_argnames=("block_rows", "block_out", "block_groups", "interpret"))
def linear_int4_int8(
    x: Float[jax.Array, "*batch dim"],
    weight: UInt8[jax.Array, "groups 16 out"],
    scales: Float32[jax.Array, "groups 1 out"],
    *,
    block_rows=256,
    block_out=512,
    block_groups=16,
    interpret=False,
) -> Float[jax.Array, "*batch out"]:
    """`x` in bytes times their scales, `@ (unpacked weight * scales).T`; the weight is laid out by `prepare`."""
    blocks = block_rows, block_out, block_groups
    return tiled(_tile, x, quantised_rows(x), weight, scales, blocks, interpret)


def _tile(x_ref, steps_ref, weight_ref, scales_ref, out_ref, sum_ref):
    finish = first_and_last(sum_ref, out_ref)

    def unpacked(group):
        # In 32 bits, where every chip can shift; the lower halves are the first 16 rows of the group.
        pairs = weight_ref[group].astype(jnp.int32)
        return (jnp.concatenate([pairs & 15, pairs >> 4], axis=0) - 8).astype(jnp.int8)

    add_groups(x_ref, steps_ref, scales_ref, sum_ref, unpacked)
    finish()
