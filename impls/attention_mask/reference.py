"""The definition."""

import numpy as np
from jaxtyping import Bool, Float, Int


def attention_mask(
    scores: Float[np.ndarray, "batch heads seq keys"],
    positions: Int[np.ndarray, " seq"],
    key_positions: Int[np.ndarray, " keys"],
    window: int,
) -> Float[np.ndarray, "batch heads seq keys"]:
    """The scores, -inf where the key comes after the position, or `window` or more before it."""
    return np.where(seen(positions, key_positions, window), scores, scores.dtype.type(-np.inf))


def seen(
    positions: Int[np.ndarray, " seq"], key_positions: Int[np.ndarray, " keys"], window: int
) -> Bool[np.ndarray, "seq keys"]:
    """Which keys each position sees."""
    distance = positions[:, None] - key_positions
    return (distance >= 0) & (distance < window)
