"""No mask: a copy in which -inf is written where a comparison says so; what is hidden is not computed with."""

import numpy as np
from jaxtyping import Float, Int

from .reference import seen


def attention_mask(
    scores: Float[np.ndarray, "batch heads seq keys"],
    positions: Int[np.ndarray, " seq"],
    key_positions: Int[np.ndarray, " keys"],
    window: int,
) -> Float[np.ndarray, "batch heads seq keys"]:
    """The scores, -inf where the key comes after the position, or `window` or more before it."""
    result = scores.copy()
    np.copyto(result, scores.dtype.type(-np.inf), where=~seen(positions, key_positions, window))
    return result
