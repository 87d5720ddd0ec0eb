"""Rows of float32 or bf16 as explicit float32 vectors: reading, writing, the vector that a row ends in, and sums.

Numba has no type for bf16: such an array comes as its bits, uint16 (`as_rows`). An index counts elements from the
array's start, and nothing is checked. In place of an array stands its start (`starts`) where a row takes many calls.
"""

import math

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from .arithmetic import add, first_of_pairs, horizontal_maximum, horizontal_sum, maximum, second_of_pairs
from .narrowing import narrowed, paired
from .starts import is_start, load_at, load_first, load_pairs_at, start_of, store_at, store_first_at
from .vectors import load, load_bf16, splat, store, store_first

LANES = 16
# Elements from which on two threads are done sooner than one: where each is taken to an exponential, at 0.15 to 0.25 ns
# (one thread, measured in the cache), and where all are only moved, added and scaled, at 0.1 ns. So many take one
# thread 3 to 6 us, and a parallel region costs 1 to 3 us, 0.8 of it OpenMP's.
PARALLEL_FROM, LIGHT_PARALLEL_FROM = 16384, 65536
# Bytes from which on a result is aligned: 0.8 MB gain nothing by it, 2 MB 2 to 3 %.
ALIGNED_FROM = 1 << 20
ZERO, MINUS_INFINITY, NAN = np.float32(0), np.float32(-np.inf), np.float32(np.nan)
# The first row, or element. A plain 0 is a type by itself to Numba, and what it is given to is compiled for it once
# more; so it is for the uint64 that `prange` counts in, which is made an int64 where that is much.
FIRST = np.int64(0)


_BITS = np.dtype(np.uint16)


def as_rows(x):
    """`x` as a C-contiguous matrix of rows along its last axis, of float32 or of a bf16's bits."""
    bits = as_bits(x)
    # To reshape what has the shape takes 0.2 us.
    return bits if bits.ndim == 2 else bits.reshape(-1, x.shape[-1])


def rows_as(x, rows):
    """`rows`, made like `as_rows(x)`, in the shape and dtype of `x`."""
    found = rows if x.itemsize == 4 else rows.view(x.dtype)
    return found if x.ndim == 2 else found.reshape(x.shape)


def as_bits(x):
    """`x` C-contiguous, of float32 or of a bf16's bits."""
    x = np.ascontiguousarray(x)
    return x if x.itemsize == 4 else x.view(_BITS)


def flat_bits(x):
    """All elements of `x` in one C-contiguous row, of float32 or of a bf16's bits."""
    # By `ravel`, which copies only what it must, and costs half of what three calls to say so would.
    return (x if x.itemsize == 4 else x.view(_BITS)).ravel()


def signatures(pattern):
    """The Numba signatures of `pattern` for either dtype, which stands in it as `real`."""
    return [pattern.replace("real", name) for name in ("float32", "uint16")]


def empty_like(x):
    """As `np.empty(x.shape, x.dtype)`, a large one aligned."""
    return np.empty_like(x, order="C") if x.nbytes < ALIGNED_FROM else aligned_empty(x.shape, x.dtype)


def aligned_empty(shape, dtype):
    """As `np.empty`; a large one begins on a cache line.

    A vector store that goes to two lines, neither of them in a near cache, takes twice as long (measured: 8 MB of
    masked softmax in 0.7 instead of 1.6 ms). Finding the place takes 0.8 us, which only large results save.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < ALIGNED_FROM:
        return np.empty(shape, dtype)
    memory = np.empty(size + 64, np.uint8)
    return np.ndarray(shape, dtype, memory, _bytes_to_a_line(memory))


# Compiled, since `memory.ctypes` alone would take as long as all the rest.
@njit("int64(uint8[::1])", cache=True)
def _bytes_to_a_line(memory):
    return -memory.ctypes.data % 64


@njit
def rows_together(columns):
    """How many rows one turn of a parallel loop takes: what is done once a turn is then a small part of it."""
    return max(1, 8192 // columns)


def read(array, index):
    """16 elements from `index` on as float32."""


def read_first(array, index, count, other):
    """As `read`, reading `count` elements only; `other`, a float32, in the other lanes."""


def write(array, index, vector):
    """The 16 lanes to `array` from `index` on, rounded to its dtype."""


def write_first(array, index, vector, count):
    """As `write`, the first `count` lanes only."""


@overload(read)
def _read(array, index):
    if is_start(array):
        return lambda array, index: load_at(array, index)
    if isinstance(array, types.Array):
        return {types.float32: lambda array, index: load(array, index)}.get(
            array.dtype, lambda array, index: load_bf16(array, index)
        )
    return None


def read_two(array, index):
    """32 elements from `index` on as two vectors of float32, in an order that `write_two` keeps.

    Of bf16 those at even places, then those at odd ones: pairs are taken apart at half of what widening halves takes.
    """


def write_two(array, index, one, other):
    """Two vectors as `read_two` gives them, to `array` from `index` on, rounded to its dtype."""


@overload(read_two)
def _read_two(array, index):
    if not is_start(array):
        return None
    if array.dtype == types.float32:
        return lambda array, index: (read(array, index), read(array, index + LANES))

    def pairs(array, index):
        both = load_pairs_at(array, index)
        return first_of_pairs(both), second_of_pairs(both)

    return pairs


@overload(write_two)
def _write_two(array, index, one, other):
    if array.dtype == types.float32:

        def halves(array, index, one, other):
            write(array, index, one)
            write(array, index + LANES, other)

        return halves
    return lambda array, index, one, other: store_at(array, index, paired(one, other))


@overload(read_first)
def _read_first(array, index, count, other):
    if isinstance(array, types.Array) or is_start(array):
        return lambda array, index, count, other: load_first(array, index, count, other)
    return None


@overload(write)
def _write(array, index, vector):
    if is_start(array):
        if array.dtype == types.float32:
            return lambda array, index, vector: store_at(array, index, vector)
        return lambda array, index, vector: store_at(array, index, narrowed(vector))
    if array.dtype == types.float32:
        return lambda array, index, vector: store(array, index, vector)
    return lambda array, index, vector: store(array, index, narrowed(vector))


@overload(write_first)
def _write_first(array, index, vector, count):
    if is_start(array):
        if array.dtype == types.float32:
            return lambda array, index, vector, count: store_first_at(array, index, vector, count)
        return lambda array, index, vector, count: store_first_at(array, index, narrowed(vector), count)
    if array.dtype == types.float32:
        return lambda array, index, vector, count: store_first(array, index, vector, count)
    return lambda array, index, vector, count: store_first(array, index, narrowed(vector), count)


def widened(value):
    """One element as a float32."""


@overload(widened)
def _widened(value):
    if value == types.float32:
        return lambda value: value
    return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)


@njit
def largest(array, first, last):
    """The largest of `array[first:last]`, -inf if there is none; a NaN is passed over."""
    return largest_of(start_of(array), first, last)


@njit
def largest_of(source, first, last):
    """As `largest`, of what has been given by its start."""
    a = b = c = d = splat(MINUS_INFINITY)
    index = first
    # Four maxima at a time, since each waits for the one before it.
    while index + 4 * LANES <= last:
        one, two = read_two(source, index)
        three, four = read_two(source, index + 2 * LANES)
        a, b, c, d = maximum(one, a), maximum(two, b), maximum(three, c), maximum(four, d)
        index += 4 * LANES
    while index + LANES <= last:
        a = maximum(read(source, index), a)
        index += LANES
    if index < last:
        a = maximum(read_first(source, index, last - index, MINUS_INFINITY), a)
    return horizontal_maximum(maximum(maximum(a, b), maximum(c, d)))


@njit
def sum_of_four(a, b, c, d):
    """The sum over all lanes of four vectors."""
    return horizontal_sum(add(add(a, b), add(c, d)))
