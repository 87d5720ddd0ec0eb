"""The definition."""

import numpy as np
from jaxtyping import Float


def rmsnorm(
    x: Float[np.ndarray, "*batch dim"], gain: Float[np.ndarray, " dim"], eps: float
) -> Float[np.ndarray, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis, computed in at least float32."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.result_type(x.dtype, np.float32), order="C", copy=False)
    mean_square = np.mean(wide * wide, axis=-1, keepdims=True)
    return (wide / np.sqrt(mean_square + eps) * gain).astype(x.dtype, copy=False)
