"""Quantising in JAX, to the bit as `quantisation` defines it; inside a program that is being compiled."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32, Int8, UInt8

from .quantisation import GROUP, SMALLEST, STEP


def quantised_groups(
    x: Float[jax.Array, "*groups size"],
) -> tuple[Int8[jax.Array, "*groups size"], Float32[jax.Array, "*groups"]]:
    """The bytes and the scale of each group."""
    x = x.astype(jnp.float32)
    largest = jnp.abs(x).max(axis=-1)
    scales = jnp.where(largest < SMALLEST, jnp.float32(0), largest * STEP)
    inverse = jnp.where(scales == 0, jnp.float32(0), jnp.float32(1) / scales)
    return jnp.rint(x * inverse[..., None]).astype(jnp.int8), scales


def unpacked_int4(weight: UInt8[jax.Array, "out half_dim"]) -> Int8[jax.Array, "out dim"]:
    """As `quantisation.unpacked_int4`."""
    pairs = weight.reshape(len(weight), -1, GROUP // 2)
    halves = jnp.concatenate([pairs & 15, pairs >> 4], axis=-1)
    return halves.astype(jnp.int8).reshape(len(weight), -1) - jnp.int8(8)


def grouped_product(
    x: Float[jax.Array, "*batch dim"], weight: Int8[jax.Array, "out dim"], scales: Float[jax.Array, "out groups"]
) -> Float[jax.Array, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`: the sum of a group in int32, exactly."""
    quantised, steps = quantised_groups(x.reshape(-1, scales.shape[1], GROUP))
    totals = jax.lax.dot_general(
        quantised, weight.reshape(*scales.shape, GROUP), (((2,), (2,)), ((1,), (1,))), preferred_element_type=jnp.int32
    )
    factors = steps.T[:, :, None] * scales.astype(jnp.float32).T[:, None]
    result = (totals.astype(jnp.float32) * factors).sum(axis=0)
    return result.astype(x.dtype).reshape(*x.shape[:-1], len(weight))
