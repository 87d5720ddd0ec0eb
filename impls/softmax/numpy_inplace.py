"""One array from start to end: subtracted, exponentiated and divided in place."""

import numpy as np
from jaxtyping import Float


def softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`exp(x) / sum(exp(x))` over the last axis; float32 within."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.float32, order="C", copy=False)
    with np.errstate(invalid="ignore"):  # -inf minus -inf, where a whole row is masked
        result = wide - wide.max(axis=-1, keepdims=True)
        np.exp(result, out=result)
        result *= np.reciprocal(result.sum(axis=-1, keepdims=True))
    return result.astype(x.dtype, copy=False)
