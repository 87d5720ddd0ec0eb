"""Writes each half of the result in place: no split, no concatenation, one temporary of half the size."""

import numpy as np
from jaxtyping import Float


def rope(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2]); float32 within."""
    wide = x.astype(np.float32, copy=False)
    cos, sin = (table.astype(np.float32, copy=False)[:, None, :] for table in (cos, sin))
    half = x.shape[-1] // 2
    real, imaginary = wide[..., :half], wide[..., half:]
    turned = np.empty(x.shape, np.float32)
    low, high = turned[..., :half], turned[..., half:]
    np.multiply(real, cos, out=low)
    np.multiply(imaginary, cos, out=high)
    product = imaginary * sin
    low -= product
    np.multiply(real, sin, out=product)
    high += product
    return turned.astype(x.dtype, copy=False)
