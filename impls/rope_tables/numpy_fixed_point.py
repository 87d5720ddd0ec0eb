"""Phases as 64-bit fractions of a turn, whose overflow is the reduction; float32 cosines and sines of what is left."""

import numpy as np
from jaxtyping import Float32, Int, Int64

from ..rotary.phases import steps


def prepare(head_dim, theta):
    return (steps(head_dim, theta),)


def rope_tables(
    positions: Int[np.ndarray, " seq"], steps: Int64[np.ndarray, " half"]
) -> tuple[Float32[np.ndarray, "seq half"], Float32[np.ndarray, "seq half"]]:
    """Cosine and sine of `positions * theta ** (-2 i / head_dim)`, for any positions below 2**31."""
    phases = positions.astype(np.int64)[:, None] * steps
    phases >>= 32
    angles = phases.astype(np.float32)
    angles *= np.float32(2 * np.pi / 2**32)
    return np.cos(angles), np.sin(angles, out=angles)
