"""A mask to add, built once."""

import numpy as np
from jaxtyping import Float, Float32

from .reference import seen


def prepare(positions, key_positions, window):
    return (np.where(seen(positions, key_positions, window), np.float32(0), np.float32(-np.inf)),)


def attention_mask(
    scores: Float[np.ndarray, "batch heads seq keys"],
    mask: Float32[np.ndarray, "seq keys"],
) -> Float[np.ndarray, "batch heads seq keys"]:
    """The scores, and a mask of 0 and -inf added; bfloat16 in float32, which is quicker than its own addition."""
    wide = scores.astype(np.float32, copy=False)
    return np.add(wide, mask, out=None if wide is scores else wide).astype(scores.dtype, copy=False)
