"""The definition."""

import numpy as np
from jaxtyping import Float


def log_softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`x - log(sum(exp(x)))` over the last axis; the maximum is taken off first, so that nothing overflows."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.result_type(x.dtype, np.float32), order="C", copy=False)
    with np.errstate(invalid="ignore"):  # -inf minus -inf, where a whole row is masked
        below = wide - wide.max(axis=-1, keepdims=True)
        return (below - np.log(np.exp(below).sum(axis=-1, keepdims=True))).astype(x.dtype, copy=False)
