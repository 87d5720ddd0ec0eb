"""Two passes over the logits: the largest, then the sums of the weights of each block; one block is walked through."""

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit, prange

from ..numba_sampling import drawn, largest, sampled, signatures_of


def sampling_temperature(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float
) -> Int32[np.ndarray, " batch"]:
    """The first token whose cumulative probability passes `uniform`, of `softmax(logits / temperature)`."""
    return sampled(_serial, _parallel, logits, uniform, temperature)


@njit
def _row(logits, uniform, scale):
    return drawn(logits, largest(logits, 0, len(logits)), np.float32(scale), uniform)


@njit(signatures_of(), cache=True)
def _serial(logits, uniform, scale, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale)


@njit(signatures_of(), parallel=True, cache=True)
def _parallel(logits, uniform, scale, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale)
