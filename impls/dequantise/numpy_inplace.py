"""Widened into the result, and scaled there, a block of rows that stays in the L2 cache at a time."""

import numpy as np
from jaxtyping import Float32, Int8

from ..quantisation import GROUP, check_scales

BLOCK = 65536


def dequantise(
    quantised: Int8[np.ndarray, "*batch dim"], scales: Float32[np.ndarray, "*batch groups"]
) -> Float32[np.ndarray, "*batch dim"]:
    """`byte * scale`, each scale for 32 of the last axis; ValueError if there are not as many scales."""
    check_scales("quantised", quantised, scales)
    result = np.empty(quantised.shape, np.float32)
    groups, source, factors = result.reshape(-1, GROUP), quantised.reshape(-1, GROUP), scales.reshape(-1, 1)
    step = BLOCK // GROUP
    for first in range(0, len(groups), step):
        block = slice(first, first + step)
        groups[block] = source[block]
        groups[block] *= factors[block]
    return result
