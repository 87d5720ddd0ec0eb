"""Angles as fixed-point fractions of a turn: what is more than a turn overflows, and nothing is lost to rounding."""

import numpy as np
from jaxtyping import Int64


def steps(head_dim: int, theta: float) -> Int64[np.ndarray, " half"]:
    """What a position adds to the phase of each frequency, `theta ** (-2 i / head_dim)` radians, in 2**-64 turns."""
    frequencies = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.rint(frequencies / (2 * np.pi) * 2.0**64).astype(np.int64)
