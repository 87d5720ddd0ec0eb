"""One pass with the `k` likeliest so far at hand: a block is looked into only if its largest is among them."""

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit, prange

from ..numba_sampling import BLOCK, PARALLEL_FROM, drawn_of, largest_by_block, weights
from ..sampling_temperature.reference import check_temperature
from .reference import check_k


def sampling_top_k(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float, k: int
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the `k` likeliest tokens and those as likely as the last of them."""
    check_temperature(temperature)
    check_k(k)
    if uniform.shape != logits.shape[:1]:
        raise ValueError(f"uniform has shape {uniform.shape}, expected {logits.shape[:1]}, one number a row of logits")
    tokens = np.empty(len(logits), np.int32)
    (_parallel if len(logits) > 1 and logits.size >= PARALLEL_FROM else _serial)(
        np.ascontiguousarray(logits), np.ascontiguousarray(uniform), 1 / temperature, min(k, logits.shape[1]), tokens
    )
    return tokens


@njit
def _bound(logits, tops, k):
    """The k-th largest logit; `tops` are the largest of each block."""
    # The least of the k largest so far is in front.
    heap = np.full(k, -np.inf, np.float32)
    for block in range(tops.shape[0]):
        if tops[block] > heap[0]:
            for i in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if logits[i] > heap[0]:
                    _replace(heap, logits[i])
    return heap[0]


@njit
def _replace(heap, value):
    """Put `value` in place of the first, the least."""
    at, child = 0, 1
    while child < heap.shape[0]:
        if child + 1 < heap.shape[0] and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at, child = child, 2 * child + 1
    heap[at] = value


@njit
def _row(logits, uniform, scale, k):
    tops = np.empty((logits.shape[0] + BLOCK - 1) // BLOCK, np.float32)
    top = largest_by_block(logits, tops)
    bound = _bound(logits, tops, k)
    # As many as there are logits may equal the k-th.
    places, kept, count = np.empty(logits.shape[0], np.int32), np.empty(logits.shape[0], np.float32), 0
    for block in range(tops.shape[0]):
        if tops[block] >= bound:
            for i in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if logits[i] >= bound:
                    places[count], kept[count] = i, logits[i]
                    count += 1
    total = weights(kept[:count], top, np.float32(scale), kept[:count])
    return places[drawn_of(kept[:count], uniform * np.float64(total))] if count else 0


_SIGNATURE = "(float32[:, ::1], float32[::1], float64, int64, int32[::1])"


@njit(_SIGNATURE, cache=True)
def _serial(logits, uniform, scale, k, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, k)


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(logits, uniform, scale, k, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, k)
