"""No sort: sums above eight values at a time close in on the bound of the nucleus; it is selected from few weights."""

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit, prange

from ..numba_math import FASTMATH
from ..numba_sampling import BLOCK, blocks_of, drawn_of, end_of, largest, sampled, signatures_of, weights
from .reference import check_p

# Eight values, each this part of the one before, reach from 1 to 2**-24; eight more divide the step between two.
STEPS = (np.float32(2.0**-3), np.float32(2.0**-0.375))
# Weights that are passed over together.
GROUP = 64


def sampling_top_p(
    logits: Float[np.ndarray, "batch vocab_size"], uniform: Float32[np.ndarray, " batch"], temperature: float, p: float
) -> Int32[np.ndarray, " batch"]:
    """As `sampling_temperature`, from the nucleus: a token is in it if all likelier ones together stay below `p`."""
    check_p(p)
    return sampled(_serial, _parallel, logits, uniform, temperature, p)


@njit(fastmath=FASTMATH)
def _sums_above(values, first, step, sums):
    """Add to `sums` the sum of the values above `first`, above `first * step` and so on."""
    b0 = first
    b1 = b0 * step
    b2 = b1 * step
    b3 = b2 * step
    b4 = b3 * step
    b5 = b4 * step
    b6 = b5 * step
    b7 = b6 * step
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
    for i in range(values.shape[0]):
        value = values[i]
        s0 += value if value > b0 else np.float32(0)
        s1 += value if value > b1 else np.float32(0)
        s2 += value if value > b2 else np.float32(0)
        s3 += value if value > b3 else np.float32(0)
        s4 += value if value > b4 else np.float32(0)
        s5 += value if value > b5 else np.float32(0)
        s6 += value if value > b6 else np.float32(0)
        s7 += value if value > b7 else np.float32(0)
    for i, part in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
        sums[i] += part


@njit
def _bound(values, enough):
    """The least weight that all larger ones together stay below `enough` of, where the largest is 1."""
    high, above = np.float32(1), 0.0
    low = np.float32(0)
    for step in STEPS:
        sums = np.zeros(8)
        for start in range(0, len(values), 16 * BLOCK):
            _sums_above(values[start : start + 16 * BLOCK], high * step, step, sums)
        low = np.float32(0)
        bound = high
        for i in range(8):
            bound *= step
            if sums[i] >= enough:
                low = bound
                break
            high, above = bound, sums[i]
        if low == 0:
            break
    # A weight of 0 is drawn no more than one that is left out.
    return _selected(_between(values, low, high), enough - above, high)


@njit
def _between(values, low, high):
    """The values above `low` that are at most `high`: few, so that most groups of 64 have none."""
    found, count = np.empty(len(values), np.float32), 0
    for first in range(0, len(values), GROUP):
        part, hits = values[first : first + GROUP], 0
        for i in range(GROUP):
            hits += low < part[i] <= high
        if hits:
            for i in range(GROUP):
                found[count] = part[i]
                count += low < part[i] <= high
    return found[:count]


@njit
def _selected(values, enough, otherwise):
    """The first value, from the largest down, with which the sum reaches `enough`; the least if it stays short."""
    first, last, least = 0, values.shape[0], otherwise
    while first < last:
        pivot = values[(first + last) >> 1]
        # Larger ones to the front, smaller ones to the back, those equal to the pivot between.
        at, front, back, larger, equal = first, first, last, 0.0, 0.0
        while at < back:
            value = values[at]
            if value > pivot:
                values[at], values[front] = values[front], value
                larger += value
                front += 1
                at += 1
            elif value < pivot:
                back -= 1
                values[at], values[back] = values[back], value
            else:
                equal += value
                at += 1
        if larger >= enough:
            last = front
        elif larger + equal >= enough:
            return pivot
        else:
            enough -= larger + equal
            first, least = back, pivot
    return least


@njit(fastmath=FASTMATH)
def _cut(values, bound):
    """Make the values below the bound 0; return the sum of the rest."""
    total = np.float32(0)
    for i in range(values.shape[0]):
        values[i] = values[i] if values[i] >= bound else np.float32(0)
        total += values[i]
    return total


@njit
def _row(logits, uniform, scale, p):
    # The last block is filled up with weights of 0.
    values, sums = np.empty(blocks_of(logits) * BLOCK, np.float32), np.empty(blocks_of(logits), np.float32)
    values[logits.shape[0] :] = 0
    top, total = largest(logits, 0, len(logits)), 0.0
    for block in range(len(sums)):
        first = block * BLOCK
        total += weights(logits, first, end_of(logits, block), top, np.float32(scale), values[first : first + BLOCK])
    bound = _bound(values, p * total)
    total = 0.0
    for block in range(len(sums)):
        sums[block] = _cut(values[block * BLOCK : (block + 1) * BLOCK], bound)
        total += sums[block]
    block, target = drawn_of(sums, uniform * total)
    return block * BLOCK + drawn_of(values[block * BLOCK : (block + 1) * BLOCK], target)[0]


@njit(signatures_of("float64"), cache=True)
def _serial(logits, uniform, scale, p, tokens):
    for row in range(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, p)


@njit(signatures_of("float64"), parallel=True, cache=True)
def _parallel(logits, uniform, scale, p, tokens):
    for row in prange(logits.shape[0]):
        tokens[row] = _row(logits[row], uniform[row], scale, p)
