"""The sum of squares as one dot product a row (BLAS), and one array from the centring on."""

import numpy as np
from jaxtyping import Float


def layernorm(
    x: Float[np.ndarray, "*batch dim"],
    gain: Float[np.ndarray, " dim"],
    bias: Float[np.ndarray, " dim"],
    eps: float,
) -> Float[np.ndarray, "*batch dim"]:
    """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis; float32 within."""
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = x.astype(np.float32, order="C", copy=False)
    result = wide - np.mean(wide, axis=-1, keepdims=True)
    variance = np.vecdot(result, result)
    variance /= np.float32(x.shape[-1])
    variance += np.float32(eps)
    result *= np.reciprocal(np.sqrt(variance))[..., None]
    result *= gain
    result += bias
    return result.astype(x.dtype, copy=False)
