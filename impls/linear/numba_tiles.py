"""Tiles of four rows by four columns of the weight as it lies, blocks of columns shared out to the threads."""

import numpy as np
from jaxtyping import Float

from ..numba_products import linear_parallel
from ..products import check_shape


def linear(x: Float[np.ndarray, "*batch dim"], weight: Float[np.ndarray, "out dim"]) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T`."""
    check_shape("weight", weight, (len(weight), x.shape[-1]))
    tokens = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    result = np.empty((len(tokens), len(weight)), np.float32)
    linear_parallel(tokens, np.ascontiguousarray(weight), result)
    return result.reshape(*x.shape[:-1], len(weight))
