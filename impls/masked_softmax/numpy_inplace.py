"""One array from the scaling to the division."""

import numpy as np
from jaxtyping import Float


def masked_softmax(
    scores: Float[np.ndarray, "heads queries keys"],
    mask: Float[np.ndarray, "queries keys"],
    scale: float,
) -> Float[np.ndarray, "heads queries keys"]:
    """The softmax of `scores * scale + mask` over keys; 0 where a query may see no key; float32 within."""
    result = np.multiply(scores, np.float32(scale), dtype=np.float32, order="C")
    result += mask
    top = result.max(axis=-1, keepdims=True)
    # Taking 0 instead of -inf off leaves -inf where no key may be seen, and exp(-inf) = 0 shares nothing.
    top[top == -np.inf] = 0
    result -= top
    np.exp(result, out=result)
    total = result.sum(axis=-1, keepdims=True)
    total[total == 0] = 1
    result *= np.reciprocal(total, out=total)
    return result.astype(scores.dtype, copy=False)
