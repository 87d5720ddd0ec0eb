"""One pass: each pair is read, turned and written once."""

import numpy as np
from jaxtyping import Float

from ..rotary.loops import as_tokens, checked_tables, turn_halves


def rope(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2])."""
    bits, cos, sin = checked_tables(x, cos, sin)
    result = np.empty_like(bits)
    turn_halves(as_tokens(bits), cos, sin, as_tokens(result))
    return result.view(x.dtype)
