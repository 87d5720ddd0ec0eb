"""The definition."""

import math

import numpy as np
from jaxtyping import Float

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def gelu_tanh(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`, element by element, in at least float32."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    return (wide / 2 * (1 + np.tanh(SQRT_2_OVER_PI * (wide + 0.044715 * wide**3)))).astype(x.dtype, copy=False)
