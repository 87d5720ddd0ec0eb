"""One array beside the result's, from the negation to the division."""

import numpy as np
from jaxtyping import Float


def silu(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`x / (1 + exp(-x))`, element by element; float32 within."""
    wide = x.astype(np.float32, copy=False)
    with np.errstate(over="ignore"):  # the exponential of a large -x is infinite, and so its reciprocal 0
        result = np.negative(wide)
        np.exp(result, out=result)
        result += np.float32(1)
        np.divide(wide, result, out=result)
    return result.astype(x.dtype, copy=False)
