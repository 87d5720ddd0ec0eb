"""Sums of exponentials over part of a row, below its maximum: what softmax and its relatives are made of."""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from ..numba_math import exp
from .arithmetic import add, horizontal_sum, multiply, subtract
from .functions import exp_share
from .row_access import LANES, MINUS_INFINITY, ZERO, largest, read, read_first, write, write_first
from .vectors import splat

# Elements taken at once: 8 KB, so that the second look at them finds them in the first cache.
CHUNK = 2048


@njit
def chunks(length):
    """How many chunks there are in a row."""
    return (length + CHUNK - 1) // CHUNK


@njit
def base_of(top):
    """What to take off before the exponential: the maximum, but 0 where all is masked, since -inf + inf is NaN."""
    return ZERO if top == MINUS_INFINITY else top


@njit
def exponentials(x, first, last, top, result, to):
    """`exp(x - top)` of `x[first:last]` to `result` from `to` on; their sum."""
    base, total, index = splat(base_of(top)), splat(ZERO), first
    while index + LANES <= last:
        value = exp_share(subtract(read(x, index), base))
        write(result, to + index - first, value)
        total = add(total, value)
        index += LANES
    if index < last:
        value = exp_share(subtract(read_first(x, index, last - index, MINUS_INFINITY), base))
        write_first(result, to + index - first, value, last - index)
        total = add(total, value)
    return horizontal_sum(total)


@njit
def sum_of_exponentials(x, first, last):
    """`(top, sum(exp(x - top)))` of `x[first:last]`."""
    top = largest(x, first, last)
    base, total, index = splat(base_of(top)), splat(ZERO), first
    while index + LANES <= last:
        total = add(total, exp_share(subtract(read(x, index), base)))
        index += LANES
    if index < last:
        total = add(total, exp_share(subtract(read_first(x, index, last - index, MINUS_INFINITY), base)))
    return top, horizontal_sum(total)


@njit
def scale_by(factor, source, first, last, result, to):
    """`source[first:last] * factor` to `result` from `to` on."""
    factors, index = splat(factor), first
    while index + LANES <= last:
        write(result, to + index - first, multiply(read(source, index), factors))
        index += LANES
    if index < last:
        left = multiply(read_first(source, index, last - index, ZERO), factors)
        write_first(result, to + index - first, left, last - index)


@njit
def merged(top, total, other_top, other_total):
    """`(top, total)` of two parts of a row, each the sum of the exponentials below its own top."""
    if other_top > top:
        return other_top, total * exp(top - other_top) + other_total
    # A part that is masked whole has nothing to add, save a NaN.
    return top, total + (other_total if other_top == MINUS_INFINITY else other_total * exp(other_top - top))


@njit
def normaliser(x, first, last):
    """`(top, sum(exp(x - top)))` of `x[first:last]`, however long, in one pass over it."""
    top, total = MINUS_INFINITY, ZERO
    for begin in range(first, last, CHUNK):
        part_top, part_total = sum_of_exponentials(x, begin, min(begin + CHUNK, last))
        top, total = merged(top, total, part_top, part_total)
    return top, total


@njit(error_model="numpy")
def factors_of(tops, totals, parts, blank):
    """In place of each part's top, what turns its exponentials into shares of the row; `blank` where all is masked."""
    top, total = MINUS_INFINITY, ZERO
    for part in range(parts):
        top, total = merged(top, total, tops[part], totals[part])
    for part in range(parts):
        tops[part] = blank if total == 0 else exp(tops[part] - top) / total


def source_of(given, row, columns):
    """What a row is read from, by an index that counts from the start of the first row."""


@overload(source_of)
def _source_of(given, row, columns):
    return (lambda given, row, columns: given) if isinstance(given, types.Array) else None


@njit
def aligned_floats(count):
    """An array that begins on a cache line, so that no vector lies across two."""
    memory = np.empty(count + LANES, np.float32)
    return memory[(-memory.ctypes.data) % 64 // 4 :][:count]


@njit
def softmax_rows(given, columns, first, last, blank, result):
    """The softmax of the rows from `first` to `last`; where one is masked whole, `blank`, NaN or 0, all over it."""
    together, parts = max(1, CHUNK // columns), chunks(columns)
    work, most = aligned_floats(max(CHUNK, columns)), max(together, parts)
    tops, totals = np.empty(most, np.float32), np.empty(most, np.float32)
    if parts > 1:
        for row in range(first, last):
            _long_row(source_of(given, row, columns), row * columns, columns, work, tops, totals, blank, result)
        return
    for row in range(first, last, together):
        _short_rows(given, columns, row, min(row + together, last), work, tops, totals, blank, result)


@njit(error_model="numpy")
def _short_rows(given, columns, first, last, work, tops, totals, blank, result):
    # Step by step for all of them: each step of one row waits for the one before, but not for another row's.
    for row in range(first, last):
        start, source = row * columns, source_of(given, row, columns)
        tops[row - first] = largest(source, start, start + columns)
    for row in range(first, last):
        start, source, to = row * columns, source_of(given, row, columns), (row - first) * columns
        totals[row - first] = exponentials(source, start, start + columns, tops[row - first], work, to)
    for row in range(first, last):
        total, to = totals[row - first], (row - first) * columns
        factor = blank if total == 0 else np.float32(1) / total
        scale_by(factor, work, to, to + columns, result, row * columns)


@njit(error_model="numpy")
def _long_row(source, start, columns, work, tops, totals, blank, result):
    for part in range(chunks(columns)):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, columns)
        tops[part] = largest(source, start + begin, start + end)
        totals[part] = exponentials(source, start + begin, start + end, tops[part], work, begin)
    factors_of(tops, totals, chunks(columns), blank)
    for part in range(chunks(columns)):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, columns)
        scale_by(tops[part], work, begin, end, result, start + begin)
