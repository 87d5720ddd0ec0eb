"""The definition: every position is projected, and the last kept."""

import numpy as np
from jaxtyping import Float


def lm_head_all(
    hidden: Float[np.ndarray, "batch tokens dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`(hidden @ weight.T)[:, -1]`, computed in at least float32."""
    wide = np.result_type(hidden.dtype, np.float32)
    logits = hidden.astype(wide, copy=False) @ weight.astype(wide, copy=False).T
    return logits[:, -1].astype(hidden.dtype)
