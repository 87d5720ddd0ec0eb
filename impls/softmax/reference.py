"""The definition."""

import numpy as np
from jaxtyping import Float


def softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`exp(x) / sum(exp(x))` over the last axis; the maximum is taken off first, so that nothing overflows."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.result_type(x.dtype, np.float32), order="C", copy=False)
    with np.errstate(invalid="ignore"):  # -inf minus -inf, where a whole row is masked
        exponentials = np.exp(wide - wide.max(axis=-1, keepdims=True))
        return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(x.dtype, copy=False)
