"""The definition."""

import numpy as np
from jaxtyping import Float


def rope(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pair (x[i], x[i + head_dim / 2]) of each head by the angle of its position and of frequency i."""
    wide = np.result_type(x.dtype, np.float32)
    real, imaginary = np.split(x.astype(wide, copy=False), 2, axis=-1)
    cos, sin = cos[:, None].astype(wide, copy=False), sin[:, None].astype(wide, copy=False)
    turned = np.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)
    return turned.astype(x.dtype, copy=False)
