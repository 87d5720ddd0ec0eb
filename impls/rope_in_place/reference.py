"""The definition."""

import numpy as np
from jaxtyping import Float

from ..rope.reference import rope


def rope_in_place(
    q: Float[np.ndarray, "*batch seq heads head_dim"],
    k: Float[np.ndarray, "*batch seq kv_heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> tuple[Float[np.ndarray, "*batch seq heads head_dim"], Float[np.ndarray, "*batch seq kv_heads head_dim"]]:
    """Queries and keys turned by the angle of their position; neither is needed as it was."""
    return rope(q, cos, sin), rope(k, cos, sin)
