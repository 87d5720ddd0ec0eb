"""The definition."""

import numpy as np
from jaxtyping import Float, Int32

from ..lm_head.reference import lm_head


def lm_head_argmax(
    hidden: Float[np.ndarray, "batch dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Int32[np.ndarray, " batch"]:
    """`argmax(hidden @ weight.T)` a row; of equal logits the first."""
    return np.argmax(lm_head(hidden, weight), axis=-1).astype(np.int32)
