"""The definition."""

import numpy as np
from jaxtyping import Float, Int8

from ..quantisation import check_linear, dequantised_weight


def linear_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Int8[np.ndarray, "out dim"], scales: Float[np.ndarray, "out groups"]
) -> Float[np.ndarray, "*batch out"]:
    """`x @ (weight * scales).T`, each scale for 32 along the sum, computed in at least float32."""
    check_linear(x, *weight.shape)
    wide = np.result_type(x.dtype, np.float32)
    return (x.astype(wide, copy=False) @ dequantised_weight(weight, scales, wide).T).astype(x.dtype, copy=False)
