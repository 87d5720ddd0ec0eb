"""The sum of squares as one dot product a row (BLAS), without the array of squares."""

import numpy as np
from jaxtyping import Float


def rmsnorm(
    x: Float[np.ndarray, "*batch dim"], gain: Float[np.ndarray, " dim"], eps: float
) -> Float[np.ndarray, "*batch dim"]:
    """`x / sqrt(mean(x**2) + eps) * gain` over the last axis; float32 within."""
    wide = x.astype(np.float32, copy=False)
    mean_square = np.vecdot(wide, wide)
    mean_square /= np.float32(x.shape[-1])
    mean_square += np.float32(eps)
    scale = np.reciprocal(np.sqrt(mean_square))
    normed = wide * scale[..., None]
    normed *= gain
    return normed.astype(x.dtype, copy=False)
