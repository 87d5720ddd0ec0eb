"""BLAS on the table as it lies: a dot product a token of the vocabulary. A bfloat16 table is widened once."""

import numpy as np
from jaxtyping import Float


def prepare(weight):
    return (weight.astype(np.float32, copy=False),)


def lm_head(
    hidden: Float[np.ndarray, "batch dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden @ weight.T`."""
    return (hidden.astype(np.float32, copy=False) @ weight.T).astype(hidden.dtype, copy=False)
