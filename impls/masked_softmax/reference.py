"""The definition."""

import numpy as np
from jaxtyping import Float


def masked_softmax(
    scores: Float[np.ndarray, "heads queries keys"],
    mask: Float[np.ndarray, "queries keys"],
    scale: float,
) -> Float[np.ndarray, "heads queries keys"]:
    """The softmax of `scores * scale + mask` over keys; 0 where a query may see no key."""
    wide = np.result_type(scores.dtype, np.float32)
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    masked = scores.astype(wide, order="C", copy=False) * wide.type(scale) + mask
    top = masked.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # -inf minus -inf, where no key may be seen
        exponentials = np.exp(masked - top)
        shares = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return np.where(top == -np.inf, 0, shares).astype(scores.dtype, copy=False)
