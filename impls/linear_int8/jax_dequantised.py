"""Weights widened and scaled within the program, at each call, in the dtype of the activations."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int8

from ..jax_products import product
from ..quantisation import GROUP, check_linear, check_scales


def linear_int8(
    x: Float[jax.Array, "*batch dim"], weight: Int8[jax.Array, "out dim"], scales: Float[jax.Array, "out groups"]
) -> Float[jax.Array, "*batch out"]:
    """`x @ (weight * scales).T`, each scale for 32 along the sum, accumulated in float32."""
    check_scales("weight", weight, scales)
    check_linear(x, *weight.shape)
    return _product(x, weight, scales)


@jax.jit
def _product(x, weight, scales):
    groups = weight.reshape(*scales.shape, GROUP).astype(jnp.float32) * scales.astype(jnp.float32)[..., None]
    return product(x, groups.reshape(weight.shape).astype(x.dtype)).astype(x.dtype)
