"""The definition, by a full sort."""

import numpy as np
from jaxtyping import Float, Int32

from ..sampling_temperature.reference import check_temperature, passed


def sampling_top_k(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float[np.ndarray, " batch"], temperature: float, k: int
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the `k` likeliest tokens and those as likely as the last of them.

    Which of equal tokens to drop would otherwise hang on the sort. All are drawn from where there are no more than `k`.
    ValueError unless `k` is at least 1.
    """
    check_temperature(temperature)
    check_k(k)
    wide = logits.astype(np.result_type(logits.dtype, np.float32), copy=False)
    descending = -np.sort(-wide, axis=-1)
    weights = np.exp((wide - descending[:, :1]) / temperature)
    return passed(np.where(wide >= descending[:, :k][:, -1:], weights, 0), uniform)


def check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1 token to draw from")
