"""All logits by BLAS, then their largest. A bfloat16 table is widened once; the logits stay in float32."""

import numpy as np
from jaxtyping import Float, Int32


def prepare(weight):
    return (weight.astype(np.float32, copy=False),)


def lm_head_argmax(
    hidden: Float[np.ndarray, "batch dim"], weight: Float[np.ndarray, "vocab_size dim"]
) -> Int32[np.ndarray, " batch"]:
    """`argmax(hidden @ weight.T)` a row."""
    return np.argmax(hidden.astype(np.float32, copy=False) @ weight.T, axis=-1).astype(np.int32)
