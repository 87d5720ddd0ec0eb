"""The definition: the bytes of the activations are those of float32 whatever the dtype, the rest is no less."""

import numpy as np
from jaxtyping import Float, Int8

from ..quantisation import check_linear, dequantised_weight, grouped, quantised_groups


def linear_int8_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Int8[np.ndarray, "out dim"], scales: Float[np.ndarray, "out groups"]
) -> Float[np.ndarray, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`."""
    check_linear(x, *weight.shape)
    wide = np.result_type(x.dtype, np.float32)
    quantised, steps = quantised_groups(grouped(x))
    rounded = (quantised * steps.astype(wide)[..., None]).reshape(x.shape)
    return (rounded @ dequantised_weight(weight, scales, wide).T).astype(x.dtype, copy=False)
