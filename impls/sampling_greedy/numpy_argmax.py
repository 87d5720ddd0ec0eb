"""One pass over the logits."""

import numpy as np
from jaxtyping import Float, Int32


def sampling_greedy(logits: Float[np.ndarray, "batch vocab_size"]) -> Int32[np.ndarray, " batch"]:
    """The likeliest token of each row; of equal ones the first."""
    # ml_dtypes compares its numbers one by one; widening them first is quicker.
    return logits.astype(np.float32, copy=False).argmax(axis=-1).astype(np.int32)
