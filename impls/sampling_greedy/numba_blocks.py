"""The largest of each block by vectors; only the block that holds the row's largest is searched for its place."""

import numpy as np
from jaxtyping import Float, Int32
from numba import njit, prange

from ..numba_sampling import PARALLEL_FROM, first_equal, largest

# Of 256, 1024 and 4096 the quickest: 8 us for 128256 logits.
BLOCK = 1024


def sampling_greedy(logits: Float[np.ndarray, "batch vocab_size"]) -> Int32[np.ndarray, " batch"]:
    """The likeliest token of each row; of equal ones the first."""
    tokens = np.empty(len(logits), np.int32)
    (_parallel if len(logits) > 1 and logits.size >= PARALLEL_FROM else _serial)(np.ascontiguousarray(logits), tokens)
    return tokens


@njit
def _row(logits):
    top, begin = largest(logits[:BLOCK]), 0
    for start in range(BLOCK, logits.shape[0], BLOCK):
        here = largest(logits[start : start + BLOCK])
        if here > top:
            top, begin = here, start
    return begin + first_equal(logits[begin : begin + BLOCK], top)


@njit("(float32[:, ::1], int32[::1])", cache=True)
def _serial(logits, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row])


@njit("(float32[:, ::1], int32[::1])", parallel=True, cache=True)
def _parallel(logits, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row])
