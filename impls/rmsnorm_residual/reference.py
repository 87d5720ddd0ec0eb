"""The definition."""

import numpy as np
from jaxtyping import Float


def rmsnorm_residual(
    x: Float[np.ndarray, "*batch dim"],
    residual: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    eps: float,
) -> tuple[Float[np.ndarray, "*batch dim"], Float[np.ndarray, "*batch dim"]]:
    """The sum `s = x + residual`, and `s / sqrt(mean(s**2) + eps) * gain` over the last axis, in at least float32."""
    wide = np.result_type(x.dtype, np.float32)
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    total = x.astype(wide, order="C", copy=False) + residual.astype(wide, order="C", copy=False)
    mean_square = np.mean(total * total, axis=-1, keepdims=True)
    normed = total / np.sqrt(mean_square + eps) * gain
    return total.astype(x.dtype, copy=False), normed.astype(x.dtype, copy=False)
