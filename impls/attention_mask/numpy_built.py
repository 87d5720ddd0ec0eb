"""A mask to add, built at each call: what many a model does at each layer."""

import numpy as np
from jaxtyping import Float, Int

from .reference import seen


def attention_mask(
    scores: Float[np.ndarray, "batch heads seq keys"],
    positions: Int[np.ndarray, " seq"],
    key_positions: Int[np.ndarray, " keys"],
    window: int,
) -> Float[np.ndarray, "batch heads seq keys"]:
    """The scores, and -inf added where the key comes after the position, or `window` or more before it."""
    mask = np.zeros((len(positions), len(key_positions)), scores.dtype)
    mask[~seen(positions, key_positions, window)] = -np.inf
    return scores + mask
