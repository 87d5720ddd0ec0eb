"""The definition, in float32 whatever the dtype given: the bits are what is defined."""

import numpy as np
from jaxtyping import Float, Float32, Int8

from ..quantisation import grouped, quantised_groups


def quantise(
    x: Float[np.ndarray, "*batch dim"],
) -> tuple[Int8[np.ndarray, "*batch dim"], Float32[np.ndarray, "*batch groups"]]:
    """Bytes and their scales, one for each 32 of the last axis: `x` is about `byte * scale`."""
    quantised, scales = quantised_groups(grouped(x))
    return quantised.reshape(x.shape), scales
