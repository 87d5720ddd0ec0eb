"""Sums of exponentials over part of a row, below its maximum: what softmax and its relatives are made of."""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from ..numba_math import exp
from .arithmetic import add, horizontal_sum, multiply, subtract
from .functions import exp_share, exp_share_coarse
from .row_access import LANES, MINUS_INFINITY, ZERO, largest_of, read_first, read_two, write, write_first, write_two
from .starts import prefetch_to_read, prefetch_to_write, start_of
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


def share(source, x):
    """`exp(x)` for x <= 0 as exactly as the dtype of `source` asks for."""


@overload(share)
def _share(source, x):
    array = source[0] if isinstance(source, types.BaseTuple) else source
    return (lambda source, x: exp_share(x)) if array.dtype == types.float32 else (lambda source, x: exp_share_coarse(x))


@njit
def _prefetch_two(x, index, result, to):
    prefetch_to_read(x, index)
    prefetch_to_read(x, index + LANES)
    prefetch_to_write(result, to)
    prefetch_to_write(result, to + LANES)


@njit
def exponentials(x, first, last, top, work, to, result):
    """`exp(x - top)` of `x[first:last]` to `work` from `to` on; their sum.

    What comes next is fetched meanwhile: the elements behind, and where in `result` these will be written.
    """
    base, total, index = splat(base_of(top)), splat(ZERO), first
    while index + 2 * LANES <= last:
        one, other = read_two(x, index)
        one, other = share(x, subtract(one, base)), share(x, subtract(other, base))
        write_two(work, to + index - first, one, other)
        total = add(total, add(one, other))
        _prefetch_two(x, index + CHUNK, result, index)
        index += 2 * LANES
    while index < last:
        count = min(LANES, last - index)
        value = share(x, subtract(read_first(x, index, count, MINUS_INFINITY), base))
        write_first(work, to + index - first, value, count)
        total = add(total, value)
        index += count
    return horizontal_sum(total)


@njit
def sum_of_exponentials(x, first, last):
    """`(top, sum(exp(x - top)))` of `x[first:last]`."""
    top = largest_of(x, first, last)
    base, total, index = splat(base_of(top)), splat(ZERO), first
    while index + 2 * LANES <= last:
        one, other = read_two(x, index)
        total = add(total, add(share(x, subtract(one, base)), share(x, subtract(other, base))))
        prefetch_to_read(x, index + CHUNK)
        prefetch_to_read(x, index + CHUNK + LANES)
        index += 2 * LANES
    while index < last:
        count = min(LANES, last - index)
        total = add(total, share(x, subtract(read_first(x, index, count, MINUS_INFINITY), base)))
        index += count
    return top, horizontal_sum(total)


@njit
def scale_by(factor, source, first, last, result, to):
    """`source[first:last] * factor` to `result` from `to` on."""
    factors, index = splat(factor), first
    while index + 2 * LANES <= last:
        one, other = read_two(source, index)
        write_two(result, to + index - first, multiply(one, factors), multiply(other, factors))
        index += 2 * LANES
    while index < last:
        count = min(LANES, last - index)
        write_first(result, to + index - first, multiply(read_first(source, index, count, ZERO), factors), count)
        index += count


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
    return (lambda given, row, columns: given) if isinstance(given, types.CPointer) else None


def seen_of(source, first, last):
    """An end of `source[first:last]` behind which all is -inf."""


@overload(seen_of)
def _seen_of(source, first, last):
    return (lambda source, first, last: last) if isinstance(source, types.CPointer) else None


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
    tops, totals, ends = np.empty(most, np.float32), np.empty(most, np.float32), np.empty(most, np.int64)
    if parts > 1:
        for row in range(first, last):
            source = source_of(given, row, columns)
            _long_row(source, row * columns, columns, work, tops, totals, blank, result)
        return
    for row in range(first, last, together):
        _short_rows(given, columns, row, min(row + together, last), work, tops, totals, ends, blank, result)


@njit
def _fill(value, first, last, result):
    values, index = splat(value), first
    while index + LANES <= last:
        write(result, index, values)
        index += LANES
    if index < last:
        write_first(result, index, values, last - index)


@njit(error_model="numpy")
def _short_rows(given, columns, first, last, space, tops, totals, ends, blank, result):
    work = start_of(space)
    # Step by step for all of them: each step of one row waits for the one before, but not for another row's.
    for row in range(first, last):
        start, source = row * columns, source_of(given, row, columns)
        ends[row - first] = seen_of(source, start, start + columns)
        tops[row - first] = largest_of(source, start, ends[row - first])
    for row in range(first, last):
        start, source, to = row * columns, source_of(given, row, columns), (row - first) * columns
        totals[row - first] = exponentials(source, start, ends[row - first], tops[row - first], work, to, result)
        for index in range(ends[row - first], start + columns, 2 * LANES):
            _prefetch_two(source, index + CHUNK, result, index)
    for row in range(first, last):
        start, end, total = row * columns, ends[row - first], totals[row - first]
        factor = blank if total == 0 else np.float32(1) / total
        scale_by(factor, work, (row - first) * columns, (row - first) * columns + end - start, result, start)
        _fill(factor * ZERO, end, start + columns, result)


@njit(error_model="numpy")
def _long_row(source, start, columns, space, tops, totals, blank, result):
    work = start_of(space)
    seen = seen_of(source, start, start + columns) - start
    parts = chunks(seen)
    for part in range(parts):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, seen)
        tops[part] = largest_of(source, start + begin, start + end)
        totals[part] = exponentials(source, start + begin, start + end, tops[part], work, begin, result)
    factors_of(tops, totals, parts, blank)
    for part in range(parts):
        begin, end = part * CHUNK, min((part + 1) * CHUNK, seen)
        scale_by(tops[part], work, begin, end, result, start + begin)
    _fill((tops[0] if parts else blank) * ZERO, start + seen, start + columns, result)
