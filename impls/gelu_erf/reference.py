"""The definition."""

import math

import numpy as np
from jaxtyping import Float

# NumPy has no error function; Python's is the C library's, an element at a time.
erf = np.frompyfunc(math.erf, 1, 1)


def gelu_erf(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`x / 2 * (1 + erf(x / sqrt(2)))`, element by element, in at least float32."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    return (wide / 2 * (1 + erf(wide / math.sqrt(2)).astype(wide.dtype))).astype(x.dtype, copy=False)
