"""One program."""

import jax
import jax.numpy as jnp
from jaxtyping import Float32, Int8

from ..quantisation import GROUP, check_scales


def dequantise(
    quantised: Int8[jax.Array, "*batch dim"], scales: Float32[jax.Array, "*batch groups"]
) -> Float32[jax.Array, "*batch dim"]:
    """`byte * scale`, each scale for 32 of the last axis; ValueError if there are not as many scales."""
    check_scales("quantised", quantised, scales)
    return _dequantised(quantised, scales)


@jax.jit
def _dequantised(quantised, scales):
    groups = quantised.reshape(*scales.shape, GROUP).astype(jnp.float32)
    return (groups * scales[..., None]).reshape(quantised.shape)
