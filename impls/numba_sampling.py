"""What the samplers in Numba share: weights of a row of logits in blocks, and the token that a uniform number draws.

Logits are rows of float32, or of a bf16's bits; they become float32 vectors as they are read.
"""

import numpy as np
from numba import njit

from .sampling_temperature.reference import check_temperature
from .simd.arithmetic import add, horizontal_sum, multiply, subtract
from .simd.exponential_rows import base_of
from .simd.functions import exp_share
from .simd.row_access import (
    LANES,
    MINUS_INFINITY,
    ZERO,
    as_rows,
    largest,
    read,
    read_first,
    signatures,
    write,
    write_first,
)
from .simd.vectors import splat

__all__ = ["BLOCK", "blocks_of", "drawn", "drawn_of", "end_of", "largest", "sampled", "signatures_of", "weights"]

# Logits that are looked at together: enough for vectors to pay, few enough to search one by one.
BLOCK = 256
# Rows are shared among threads from this many logits on; a parallel region costs a few microseconds.
PARALLEL_FROM = 65536
_LARGEST = float(np.finfo(np.float32).max)


def shared_rows(logits):
    """Whether there are so many logits that threads share the rows."""
    return len(logits) > 1 and logits.size >= PARALLEL_FROM


def sampled(serial, parallel, logits, uniform, temperature, *settings):
    """The tokens that `serial` or `parallel(rows, uniform, 1 / temperature, *settings, tokens)` draws; ValueError if
    the temperature is not above 0, or there is not a number for each row.
    """
    check_temperature(temperature)
    if uniform.shape != logits.shape[:1]:
        raise ValueError(f"uniform has shape {uniform.shape}, expected {logits.shape[:1]}, one number a row of logits")
    tokens = np.empty(len(logits), np.int32)
    # Infinity times the distance of the largest from itself would be no number.
    scale = min(1 / temperature, _LARGEST)
    body = parallel if shared_rows(logits) else serial
    body(as_rows(logits), np.ascontiguousarray(uniform), scale, *settings, tokens)
    return tokens


def signatures_of(*settings):
    """The Numba signatures of such a body, whose settings are of these types."""
    return signatures(f"({', '.join(('real[:, ::1]', 'float32[::1]', 'float64', *settings, 'int32[::1]'))})")


@njit
def blocks_of(x):
    """How many blocks a row has."""
    return (x.shape[0] + BLOCK - 1) // BLOCK


@njit
def end_of(x, block):
    """Where a block of a row ends."""
    return min((block + 1) * BLOCK, x.shape[0])


@njit
def weights(x, first, last, top, scale, result):
    """`exp((x - top) * scale)` of `x[first:last]` to `result` from 0 on, and their sum."""
    base, scales, total, index = splat(base_of(top)), splat(scale), splat(ZERO), first
    while index + LANES <= last:
        value = exp_share(multiply(subtract(read(x, index), base), scales))
        write(result, index - first, value)
        total = add(total, value)
        index += LANES
    if index < last:
        value = exp_share(multiply(subtract(read_first(x, index, last - index, MINUS_INFINITY), base), scales))
        write_first(result, index - first, value, last - index)
        total = add(total, value)
    return horizontal_sum(total)


@njit
def drawn(x, top, scale, uniform):
    """The first token at which the sum of the weights passes `uniform` of the whole, or the last with a weight.

    Only the block that holds the token is walked through.
    """
    sums, values = np.empty(blocks_of(x), np.float32), np.empty(BLOCK, np.float32)
    total = 0.0
    for block in range(len(sums)):
        sums[block] = weights(x, block * BLOCK, end_of(x, block), top, scale, values)
        total += sums[block]
    block, target = drawn_of(sums, uniform * total)
    first, last = block * BLOCK, end_of(x, block)
    weights(x, first, last, top, scale, values)
    return first + drawn_of(values[: last - first], target)[0]


@njit
def drawn_of(values, target):
    """The first place at which the sum of the values passes `target`, or the last with a value above 0.

    Also what is left of the target there.
    """
    before, found, left = 0.0, 0, target
    for i in range(values.shape[0]):
        if values[i] > 0:
            found, left = i, target - before
            before += values[i]
            if before > target:
                break
    return found, left
