"""Tables as wide as a head, so that two of the four passes run over whole heads, and no concatenation of results."""

import numpy as np
from jaxtyping import Float


def rope(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2]); float32 within."""
    wide = x.astype(np.float32, copy=False)
    half = x.shape[-1] // 2
    cosines = np.concatenate([cos, cos], axis=-1, dtype=np.float32)[:, None]
    sines = np.concatenate([-sin, sin], axis=-1, dtype=np.float32)[:, None]
    turned = np.empty(x.shape, np.float32)
    np.multiply(wide[..., half:], sines[..., :half], out=turned[..., :half])
    np.multiply(wide[..., :half], sines[..., half:], out=turned[..., half:])
    turned += wide * cosines
    return turned.astype(x.dtype, copy=False)
