"""Weights made float32 once, when they are loaded: four times the memory, and then BLAS."""

import numpy as np
from jaxtyping import Float, Float32

from ..quantisation import check_linear, dequantised_weight


def prepare(weight, scales):
    return (dequantised_weight(weight, scales),)


def linear_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Float32[np.ndarray, "out dim"]
) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T` with the dequantised weight."""
    check_linear(x, *weight.shape)
    return (x.astype(np.float32, copy=False) @ weight.T).astype(x.dtype, copy=False)
