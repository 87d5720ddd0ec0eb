"""One pass over whole vectors: pairs are loaded, turned and stored as they lie."""

import numpy as np
from jaxtyping import Float

from ..rotary.loops import as_tokens, checked_tables, turn_pairs


def rope_interleaved(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1])."""
    bits, cos, sin = checked_tables(x, cos, sin)
    result = np.empty_like(bits)
    turn_pairs(as_tokens(bits), cos, sin, as_tokens(result))
    return result.view(x.dtype)
