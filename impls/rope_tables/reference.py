"""The definition, in float64."""

import numpy as np
from jaxtyping import Float32, Int


def rope_tables(
    positions: Int[np.ndarray, " seq"], head_dim: int, theta: float
) -> tuple[Float32[np.ndarray, "seq half"], Float32[np.ndarray, "seq half"]]:
    """Cosine and sine of `positions * theta ** (-2 i / head_dim)`, rounded once."""
    angles = positions[:, None] * theta ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
