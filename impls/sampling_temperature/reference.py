"""The definition: the cumulative probabilities in the order of the vocabulary, and where they pass the number."""

import numpy as np
from jaxtyping import Float, Int32


def sampling_temperature(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float[np.ndarray, " batch"], temperature: float
) -> Int32[np.ndarray, " batch"]:
    """The first token whose cumulative probability passes `uniform`, of `softmax(logits / temperature)`.

    `uniform` is from 0 to 1; a token of probability 0 is never drawn. ValueError unless the temperature is above 0.
    """
    check_temperature(temperature)
    wide = logits.astype(np.result_type(logits.dtype, np.float32), copy=False)
    return passed(np.exp((wide - wide.max(axis=-1, keepdims=True)) / temperature), uniform)


def passed(weights: Float[np.ndarray, "batch n"], uniform: Float[np.ndarray, " batch"]) -> Int32[np.ndarray, " batch"]:
    """In each row, the first place where the sum passes `uniform` of the whole, or the last with a weight above 0."""
    sums = np.cumsum(weights, axis=-1, dtype=np.float64)
    beyond = (sums > uniform[:, None] * sums[:, -1:]) & (weights > 0)
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(axis=-1)
    return np.where(beyond.any(axis=-1), beyond.argmax(axis=-1), last).astype(np.int32)


def check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0; greedy is the limit at 0")
