"""Sums of blocks first, so that few numbers are cumulated; then within the one block that holds the token."""

import numpy as np
from jaxtyping import Float, Float32, Int32

from .reference import check_temperature

BLOCK = 256


def sampling_temperature(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float
) -> Int32[np.ndarray, " batch"]:
    """The first token whose cumulative probability passes `uniform`, of `softmax(logits / temperature)`."""
    check_temperature(temperature)
    wide = logits.astype(np.float32, copy=False)
    weights = wide - wide.max(axis=-1, keepdims=True)
    weights *= np.float32(1 / temperature)
    np.exp(weights, out=weights)
    return passed(weights, uniform)


def passed(
    weights: Float32[np.ndarray, "batch n"], uniform: Float32[np.ndarray, " batch"]
) -> Int32[np.ndarray, " batch"]:
    """In each row, the first place where the sum passes `uniform` of the whole, or the last with a weight above 0."""
    sums = np.cumsum(np.add.reduceat(weights, np.arange(0, weights.shape[1], BLOCK), axis=1), axis=1, dtype=np.float64)
    targets = uniform * sums[:, -1]
    tokens = np.empty(len(weights), np.int32)
    for row, target in enumerate(targets):
        block = min(np.searchsorted(sums[row], target, side="right"), sums.shape[1] - 1)
        before = sums[row, block - 1] if block else 0.0
        inner = np.cumsum(weights[row, block * BLOCK : (block + 1) * BLOCK], dtype=np.float64)
        place = np.searchsorted(inner, target - before, side="right")
        # Rounding may leave the sum short of the number: then it is the last token of any weight.
        tokens[row] = (
            block * BLOCK + place if place < inner.size else np.flatnonzero(weights[row, : (block + 1) * BLOCK])[-1]
        )
    return tokens
