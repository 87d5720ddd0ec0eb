"""BLAS on the table transposed once, `[dim, vocab_size]`: each element of `hidden` scales a row of it.

No sum across a vector is needed, but with one row of `hidden` the logits are read and written `dim` times.
"""

import numpy as np
from jaxtyping import Float


def prepare(weight):
    return (np.ascontiguousarray(weight.T, np.float32),)


def lm_head(
    hidden: Float[np.ndarray, "batch dim"], columns: Float[np.ndarray, "dim vocab_size"]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden @ columns`."""
    return (hidden.astype(np.float32, copy=False) @ columns).astype(hidden.dtype, copy=False)
