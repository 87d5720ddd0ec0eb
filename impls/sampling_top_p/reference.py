"""The definition, by a full sort."""

import numpy as np
from jaxtyping import Float, Int32

from ..sampling_temperature.reference import check_temperature, passed


def sampling_top_p(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float[np.ndarray, " batch"], temperature: float, p: float
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the nucleus: a token is in it if all likelier ones together stay below `p`.

    So it is the fewest tokens that reach `p`, and those as likely as the last of them. ValueError unless 0 < p <= 1.
    """
    check_temperature(temperature)
    check_p(p)
    wide = logits.astype(np.result_type(logits.dtype, np.float32), copy=False)
    descending = -np.sort(-wide, axis=-1)
    sums = np.cumsum(np.exp((descending - descending[:, :1]) / temperature), axis=-1, dtype=np.float64)
    count = np.sum(sums < p * sums[:, -1:], axis=-1, keepdims=True)
    bound = np.take_along_axis(descending, np.minimum(count, wide.shape[1] - 1), axis=-1)
    return passed(np.where(wide >= bound, np.exp((wide - descending[:, :1]) / temperature), 0), uniform)


def check_p(p: float) -> None:
    if not 0 < p <= 1:
        raise ValueError(f"p is {p}, expected more than 0 and at most 1")
