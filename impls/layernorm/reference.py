"""The definition."""

import numpy as np
from jaxtyping import Float


def layernorm(
    x: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    bias: Float[np.ndarray, " dim"],
    eps: float,
) -> Float[np.ndarray, "*batch dim"]:
    """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis, computed in at least float32."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.result_type(x.dtype, np.float32), order="C", copy=False)
    centred = wide - np.mean(wide, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return (centred / np.sqrt(variance + eps) * gain + bias).astype(x.dtype, copy=False)
