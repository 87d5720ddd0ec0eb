"""The definition."""

import numpy as np
from jaxtyping import Float


def silu(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`x / (1 + exp(-x))`, element by element, in at least float32."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    with np.errstate(over="ignore"):  # the exponential of a large -x is infinite, and so its reciprocal 0
        return (wide / (1 + np.exp(-wide))).astype(x.dtype, copy=False)
