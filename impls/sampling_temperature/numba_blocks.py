"""Two passes over the logits: the largest, then the sums of the weights of each block; one block is walked through."""

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit, prange

from ..numba_sampling import BLOCK, PARALLEL_FROM, drawn, largest
from .reference import check_temperature


def sampling_temperature(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float
) -> Int32[np.ndarray, " batch"]:
    """The first token whose cumulative probability passes `uniform`, of `softmax(logits / temperature)`."""
    check_temperature(temperature)
    if uniform.shape != logits.shape[:1]:
        raise ValueError(f"uniform has shape {uniform.shape}, expected {logits.shape[:1]}, one number a row of logits")
    tokens = np.empty(len(logits), np.int32)
    (_parallel if len(logits) > 1 and logits.size >= PARALLEL_FROM else _serial)(
        np.ascontiguousarray(logits), np.ascontiguousarray(uniform), 1 / temperature, tokens
    )
    return tokens


@njit
def _row(logits, uniform, scale):
    sums = np.empty((logits.shape[0] + BLOCK - 1) // BLOCK, np.float32)
    return drawn(logits, largest(logits), np.float32(scale), uniform, sums)


_SIGNATURE = "(float32[:, ::1], float32[::1], float64, int32[::1])"


@njit(_SIGNATURE, cache=True)
def _serial(logits, uniform, scale, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(logits, uniform, scale, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale)
