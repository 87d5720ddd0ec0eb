"""What the samplers in Numba share: weights of a row of logits in blocks, and the token that a uniform number draws."""

import numpy as np
from numba import njit

from .numba_math import FASTMATH, exp, largest

__all__ = ["BLOCK", "PARALLEL_FROM", "drawn", "drawn_of", "first_equal", "largest", "largest_by_block", "weights"]

# Logits that are looked at together: enough for vectors to pay, few enough to search one by one.
BLOCK = 256
# Rows are shared among threads from this many logits on; a parallel region costs a few microseconds.
PARALLEL_FROM = 65536


@njit
def first_equal(x, value):
    """The place of the first element that equals `value`, or 0."""
    for i in range(x.shape[0]):
        if x[i] == value:
            return i
    return 0


@njit
def largest_by_block(x, tops):
    """The largest of a row of logits, and into `tops` the largest of each block."""
    top = np.float32(-np.inf)
    for block in range(tops.shape[0]):
        tops[block] = largest(x[block * BLOCK : (block + 1) * BLOCK])
        top = max(top, tops[block])
    return top


@njit(fastmath=FASTMATH)
def weights(x, top, scale, result):
    """`result = exp((x - top) * scale)`, and its sum."""
    total = np.float32(0)
    for i in range(x.shape[0]):
        result[i] = exp((x[i] - top) * scale)
        total += result[i]
    return total


@njit
def drawn(x, top, scale, uniform, sums):
    """The first token at which the sum of the weights passes `uniform` of the whole, or the last with a weight.

    `sums` takes the sum of each block; only the block that holds the token is walked through.
    """
    values = np.empty(BLOCK, np.float32)
    total = 0.0
    for block in range(sums.shape[0]):
        part = x[block * BLOCK : (block + 1) * BLOCK]
        sums[block] = weights(part, top, scale, values[: part.shape[0]])
        total += sums[block]
    target = uniform * total
    block = drawn_of(sums, target)
    for before in range(block):
        target -= sums[before]
    part = x[block * BLOCK : (block + 1) * BLOCK]
    weights(part, top, scale, values[: part.shape[0]])
    return block * BLOCK + drawn_of(values[: part.shape[0]], target)


@njit
def drawn_of(values, target):
    """The first place at which the sum of the values passes `target`, or the last with a value above 0."""
    before, found = 0.0, 0
    for i in range(values.shape[0]):
        if values[i] > 0:
            found = i
            before += values[i]
            if before > target:
                break
    return found
