"""Weights in signed bytes with a scale for each group of 32 inputs, and products with activations in bytes too."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Int, Int8

from .. import quantisation
from ..jax_quantisation import quantised_groups
from ..quantisation import GROUP


class Grouped(NamedTuple):
    """A matrix `[in, out]`, its inputs filled up with zeros to whole groups."""

    numbers: Int8[Array, "groups 32 out"]
    scales: Float32[Array, "groups out"]

    def columns(self, at: Int[Array, ...], size: int) -> Float32[Array, "... size"]:
        """The first `size` inputs of some of the outputs."""
        numbers = jnp.moveaxis(self.numbers.at[:, :, at].get(mode="promise_in_bounds"), (0, 1), (-2, -1))
        scales = jnp.moveaxis(self.scales.at[:, at].get(mode="promise_in_bounds"), 0, -1)
        wide = numbers.astype(jnp.float32) * scales[..., None]
        return wide.reshape(*at.shape, -1)[..., :size]


def grouped(weight: Float[Any, "out in"], like: Array) -> Grouped:
    """A matrix quantised, on the device of another array."""
    numbers, scales = quantisation.quantised_groups(in_groups(np.asarray(weight)))
    parts = np.ascontiguousarray(numbers.transpose(1, 2, 0)), np.ascontiguousarray(scales.T)
    return Grouped(*(jax.device_put(part, like.sharding) for part in parts))


def rounded(weight: Float[np.ndarray, "out in"]) -> Float32[np.ndarray, "out in"]:
    """What is left of a matrix in `grouped`."""
    numbers, scales = quantisation.quantised_groups(in_groups(weight))
    wide = numbers * scales[..., None]
    return wide.reshape(len(weight), -1)[:, : weight.shape[1]]


def in_groups(weight: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "out groups 32"]:
    filled = np.pad(weight, ((0, 0), (0, -weight.shape[1] % GROUP)))
    return filled.reshape(len(filled), -1, GROUP)


def grouped_product(x: Float[Array, "... in"], weights: Grouped) -> Float32[Array, "... out"]:
    """Activations in bytes, times weights in bytes: summed in int32 within a group, exactly, then in float32."""
    groups, _, outputs = weights.numbers.shape
    filled = jnp.pad(x.reshape(-1, x.shape[-1]), ((0, 0), (0, groups * GROUP - x.shape[-1])))
    numbers, scales = quantised_groups(filled.reshape(len(filled), groups, GROUP))

    def add(total: Array, group: Any) -> tuple[Array, None]:
        left, left_scale, right, right_scale = group
        whole = lax.dot(left, right, preferred_element_type=jnp.int32)
        return total + whole.astype(jnp.float32) * (left_scale[:, None] * right_scale), None

    # A loop over groups: as one product with an axis for them, XLA on a CPU takes 5 to 40 times as long.
    begin = jnp.zeros((len(filled), outputs), jnp.float32)
    total, _ = lax.scan(add, begin, (numbers.swapaxes(0, 1), scales.T, *weights))
    return total.reshape(*x.shape[:-1], outputs)
