"""A partition in place of the sort; only the tokens that are kept are exponentiated and summed."""

import numpy as np
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.reference import check_temperature, passed
from .reference import check_k


def sampling_top_k(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float, k: int
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the `k` likeliest tokens and those as likely as the last of them."""
    check_temperature(temperature)
    check_k(k)
    wide = logits.astype(np.float32, copy=False)
    least = max(wide.shape[1] - k, 0)
    bounds = np.partition(wide, least, axis=1)[:, least]
    tokens = np.empty(len(wide), np.int32)
    for row, bound in enumerate(bounds):
        places = np.flatnonzero(wide[row] >= bound)
        kept = wide[row, places]
        weights = np.exp((kept - kept.max()) * np.float32(1 / temperature))
        tokens[row] = places[passed(weights[None], uniform[row : row + 1])[0]]
    return tokens
