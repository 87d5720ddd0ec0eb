"""Products in JAX, summed in float32, and the dtype that their factors are held in."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def summed(equation: str, left: Array, right: Array) -> Array:
    """A product of arrays in float32. HIGHEST, or accelerators would round float32 factors to fewer bits."""
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)


def product(x: Float[Array, "... in"], weights: Float[Array, "in out"]) -> Float[Array, "... out"]:
    """Float32 activations times weights: rounded to their dtype first, and summed in float32."""
    return summed("...i,io->...o", x.astype(weights.dtype), weights)


def held_dtype(embedding: Array) -> Any:
    """What weights are held in: float32 on a CPU, else what they are given in.

    XLA has no product of bfloat16 summed in float32 on a CPU, and would otherwise convert every weight at every step,
    which takes ten times as long as the step.
    """
    on_cpu = all(device.platform == "cpu" for device in embedding.devices())
    return jnp.dtype(jnp.float32) if on_cpu else embedding.dtype
