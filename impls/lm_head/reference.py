"""The definition."""

import numpy as np
from jaxtyping import Float


def lm_head(
    hidden: Float[np.ndarray, "batch dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden @ weight.T`, computed in at least float32; the weight lies as an embedding table does."""
    wide = np.result_type(hidden.dtype, np.float32)
    return (hidden.astype(wide, copy=False) @ weight.astype(wide, copy=False).T).astype(hidden.dtype, copy=False)
