"""Copying pieces of memory within a compiled function, as fast as `memcpy` and without calling it."""

from numba import njit
from numba.core import types
from numba.extending import overload

from .row_access import ZERO
from .starts import LANES, load_at, load_first, start_of, store_at, store_first_at


def as_words(x):
    """`x` as float32, whatever it holds, where its rows are whole words of that size; else as it is."""
    return x.view("float32") if x.itemsize != 4 and x.shape[-1] * x.itemsize % 4 == 0 else x


def copy_rows(source, rows, first, last, target):
    """`target[row] = source[rows[row]]` for `row` in `range(first, last)`; float32 or uint16 matrices."""


@njit
def _copy_words(source, rows, first, last, target):
    columns, read, written = source.shape[1], start_of(source), start_of(target)
    for row in range(first, last):
        at, to, end = rows[row] * columns, row * columns, rows[row] * columns + columns
        # Four loads before the four stores, so that none waits for the other.
        while at + 4 * LANES <= end:
            a, b = load_at(read, at), load_at(read, at + LANES)
            c, d = load_at(read, at + 2 * LANES), load_at(read, at + 3 * LANES)
            store_at(written, to, a)
            store_at(written, to + LANES, b)
            store_at(written, to + 2 * LANES, c)
            store_at(written, to + 3 * LANES, d)
            at, to = at + 4 * LANES, to + 4 * LANES
        while at + LANES <= end:
            store_at(written, to, load_at(read, at))
            at, to = at + LANES, to + LANES
        if at < end:
            store_first_at(written, to, load_first(read, at, end - at, ZERO), end - at)


@njit
def _copy_one_by_one(source, rows, first, last, target):
    for row in range(first, last):
        for column in range(source.shape[1]):
            target[row, column] = source[rows[row], column]


@overload(copy_rows)
def _copy_rows(source, rows, first, last, target):
    copy = _copy_words if source.dtype == types.float32 else _copy_one_by_one
    return lambda source, rows, first, last, target: copy(source, rows, first, last, target)
