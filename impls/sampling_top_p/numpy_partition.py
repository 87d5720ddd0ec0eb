"""Partitions in place of the sort: the likeliest 256, or 16 times as many until they reach `p`, are sorted alone."""

import numpy as np
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.reference import check_temperature, passed
from .reference import check_p

FIRST, FACTOR = 256, 16


def sampling_top_p(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float, p: float
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the nucleus: a token is in it if all likelier ones together stay below `p`."""
    check_temperature(temperature)
    check_p(p)
    wide = logits.astype(np.float32, copy=False)
    weights = wide - wide.max(axis=1, keepdims=True)
    weights *= np.float32(1 / temperature)
    np.exp(weights, out=weights)
    tokens = np.empty(len(wide), np.int32)
    for row, of_row in enumerate(weights):
        places = np.flatnonzero(of_row >= _bound(of_row, p * float(of_row.sum())))
        tokens[row] = places[passed(of_row[None, places], uniform[row : row + 1])[0]]
    return tokens


def _bound(weights: Float32[np.ndarray, " n"], enough: float) -> np.float32:
    """The least weight in the nucleus."""
    count = FIRST
    while True:
        likeliest = weights if count >= weights.size else np.partition(weights, weights.size - count)[-count:]
        if count >= weights.size or likeliest.sum() >= enough:
            break
        count *= FACTOR
    descending = np.sort(likeliest)[::-1]
    place = np.searchsorted(np.cumsum(descending, dtype=np.float64), enough)
    return descending[min(place, descending.size - 1)]
