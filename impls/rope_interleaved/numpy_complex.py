"""Pairs seen as complex numbers: one product turns them, in one pass and without a temporary."""

import numpy as np
from jaxtyping import Float


def rope_interleaved(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1]); float32 within."""
    pairs = np.ascontiguousarray(x, np.float32).view(np.complex64)
    turns = np.empty(cos.shape, np.complex64)
    turns.real, turns.imag = cos, sin
    return (pairs * turns[:, None]).view(np.float32).astype(x.dtype, copy=False)
