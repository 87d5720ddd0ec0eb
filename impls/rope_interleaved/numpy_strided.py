"""Every second element in place of a last axis of two; each product is written where its sum will be."""

import numpy as np
from jaxtyping import Float


def rope_interleaved(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1]); float32 within."""
    wide = x.astype(np.float32, copy=False)
    cos, sin = cos[:, None].astype(np.float32, copy=False), sin[:, None].astype(np.float32, copy=False)
    real, imaginary = wide[..., ::2], wide[..., 1::2]
    turned = np.empty(x.shape, np.float32)
    np.multiply(real, cos, out=turned[..., ::2])
    np.multiply(imaginary, cos, out=turned[..., 1::2])
    product = imaginary * sin
    turned[..., ::2] -= product
    np.multiply(real, sin, out=product)
    turned[..., 1::2] += product
    return turned.astype(x.dtype, copy=False)
