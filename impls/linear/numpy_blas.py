"""BLAS; bfloat16 weights are widened once, as BLAS has no such dtype."""

import numpy as np
from jaxtyping import Float


def prepare(weight):
    return (weight.astype(np.float32, copy=False),)


def linear(x: Float[np.ndarray, "*batch dim"], weight: Float[np.ndarray, "out dim"]) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T`; BLAS reads the transposed weight as it lies."""
    return (x.astype(np.float32, copy=False) @ weight.T).astype(x.dtype, copy=False)
