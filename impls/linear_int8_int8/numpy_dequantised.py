"""Both sides made float32 again, the weights once, when they are loaded; then BLAS."""

import numpy as np
from jaxtyping import Float, Float32

from ..quantisation import check_linear, dequantised_weight, grouped, quantised_groups


def prepare(weight, scales):
    return (dequantised_weight(weight, scales),)


def linear_int8_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Float32[np.ndarray, "out dim"]
) -> Float[np.ndarray, "*batch out"]:
    """`rounded @ weight.T` with the dequantised weight, and x as its bytes times their scales."""
    check_linear(x, *weight.shape)
    quantised, steps = quantised_groups(grouped(x))
    rounded = (quantised * steps[..., None]).reshape(x.shape)
    return (rounded @ weight.T).astype(x.dtype, copy=False)
