"""Matrices to draw, for the tests of packing and of products."""

import numpy as np
from hypothesis import strategies as st

# Some of them multiples of tiles and groups, and with more than eight groups.
sizes = st.one_of(st.integers(1, 70), st.sampled_from([16, 32, 33, 64, 96, 256, 330, 384]))
magnitudes = st.sampled_from([1e-12, 1.0, 1e12])
groups = st.sampled_from([32, 64, 96])
seeds = st.integers(0, 2**32 - 1)


def matrix(seed, rows, columns, magnitude=1.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns)) * 10.0 ** rng.uniform(-1, 1, (rows, 1)) * magnitude
    # Whole groups of zeros have a scale of zero.
    x[rng.random(rows) < 0.1] = 0
    return x.astype(np.float32)
