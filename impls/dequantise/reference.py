"""The definition."""

import numpy as np
from jaxtyping import Float, Int8

from ..quantisation import dequantised_weight


def dequantise(
    quantised: Int8[np.ndarray, "*batch dim"], scales: Float[np.ndarray, "*batch groups"]
) -> Float[np.ndarray, "*batch dim"]:
    """`byte * scale`, each scale for 32 of the last axis; ValueError if there are not as many scales."""
    return dequantised_weight(quantised, scales, scales.dtype)
