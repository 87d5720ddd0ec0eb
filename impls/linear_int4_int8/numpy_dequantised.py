"""Both sides made float32, the weights once, when they are loaded: eight times their memory; then BLAS."""

import numpy as np
from jaxtyping import Float, Float32

from ..quantisation import check_linear, dequantised_weight, grouped, quantised_groups, unpacked_int4


def prepare(weight, scales):
    return (dequantised_weight(unpacked_int4(weight), scales),)


def linear_int4_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Float32[np.ndarray, "out dim"]
) -> Float[np.ndarray, "*batch out"]:
    """`rounded @ weight.T` with the dequantised weight, and x as its bytes times their scales."""
    check_linear(x, *weight.shape)
    quantised, steps = quantised_groups(grouped(x))
    rounded = (quantised * steps[..., None]).reshape(x.shape)
    return (rounded @ weight.T).astype(x.dtype, copy=False)
