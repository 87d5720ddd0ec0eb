"""The definition."""

import numpy as np
from jaxtyping import Float


def rope_interleaved(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pair (x[2 i], x[2 i + 1]) of each head by the angle of its position and of frequency i."""
    wide = np.result_type(x.dtype, np.float32)
    pairs = x.astype(wide, copy=False).reshape(*x.shape[:-1], -1, 2)
    real, imaginary = (part[..., 0] for part in np.split(pairs, 2, axis=-1))
    cos, sin = cos[:, None].astype(wide, copy=False), sin[:, None].astype(wide, copy=False)
    turned = np.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)
    return turned.reshape(x.shape).astype(x.dtype, copy=False)
