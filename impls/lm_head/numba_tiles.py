"""Tiles of four rows by four tokens of the table as it lies, blocks of the vocabulary shared out to the threads."""

import numpy as np
from jaxtyping import Float

from ..numba_products import linear_parallel
from ..products import check_shape


def lm_head(
    hidden: Float[np.ndarray, "batch dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden @ weight.T`."""
    check_shape("weight", weight, (len(weight), hidden.shape[-1]))
    logits = np.empty((len(hidden), len(weight)), np.float32)
    linear_parallel(np.ascontiguousarray(hidden), np.ascontiguousarray(weight), logits)
    return logits
