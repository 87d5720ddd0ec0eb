"""The sum of squares as one dot product a row (BLAS), without the array of squares."""

import numpy as np
from jaxtyping import Float


def rmsnorm_residual(
    x: Float[np.ndarray, "*batch dim"],
    residual: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    eps: float,
) -> tuple[Float[np.ndarray, "*batch dim"], Float[np.ndarray, "*batch dim"]]:
    """The sum `s = x + residual`, and `s / sqrt(mean(s**2) + eps) * gain` over the last axis; float32 within."""
    total = np.add(x, residual, dtype=np.float32)
    mean_square = np.vecdot(total, total)
    mean_square /= np.float32(x.shape[-1])
    mean_square += np.float32(eps)
    normed = total * np.reciprocal(np.sqrt(mean_square))[..., None]
    normed *= gain
    return total.astype(x.dtype, copy=False), normed.astype(x.dtype, copy=False)
