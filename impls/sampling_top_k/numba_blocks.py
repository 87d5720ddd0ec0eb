"""The k-th largest of the blocks' largest is no more than the k-th largest logit: few blocks hold any that is as large,
and only they are looked into.
"""

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit, prange

from ..numba_sampling import BLOCK, blocks_of, drawn_of, end_of, largest, sampled, signatures_of, weights
from ..simd.row_access import LANES, widened
from .reference import check_k


def sampling_top_k(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float, k: int
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the `k` likeliest tokens and those as likely as the last of them."""
    check_k(k)
    return sampled(_serial, _parallel, logits, uniform, temperature, min(k, logits.shape[1]))


@njit
def _kth_largest(values, k):
    """The k-th largest of the values, the least if there are fewer."""
    at = max(values.shape[0] - k, 0)
    return np.partition(values, at)[at]


@njit
def _as_large(logits, tops, bound):
    """The places, and the values, of the logits that are at least `bound`; `tops` are the largest of each block."""
    # As many as there are logits may equal the bound.
    places, kept, count = np.empty(logits.shape[0], np.int32), np.empty(logits.shape[0], np.float32), 0
    for block in range(tops.shape[0]):
        if tops[block] < bound:
            continue
        for first in range(block * BLOCK, end_of(logits, block), LANES):
            last = min(first + LANES, end_of(logits, block))
            if largest(logits, first, last) >= bound:
                for i in range(first, last):
                    places[count], kept[count] = i, widened(logits[i])
                    count += kept[count] >= bound
    return places[:count], kept[:count]


@njit
def _row(logits, uniform, scale, k):
    tops = np.empty(blocks_of(logits), np.float32)
    for block in range(len(tops)):
        tops[block] = largest(logits, block * BLOCK, end_of(logits, block))
    places, kept = _as_large(logits, tops, _kth_largest(tops, k) if k <= len(tops) else np.float32(-np.inf))
    if len(kept) == 0:
        return 0
    bound = _kth_largest(kept, k)
    likely, count = np.empty(len(kept), np.float32), 0
    for i in range(len(kept)):
        if kept[i] >= bound:
            places[count], likely[count] = places[i], kept[i]
            count += 1
    total = weights(likely, 0, count, max(tops), np.float32(scale), likely)
    return places[drawn_of(likely[:count], uniform * np.float64(total))[0]]


@njit(signatures_of("int64"), cache=True)
def _serial(logits, uniform, scale, k, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, k)


@njit(signatures_of("int64"), parallel=True, cache=True)
def _parallel(logits, uniform, scale, k, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, k)
