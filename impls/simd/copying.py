"""Copying pieces of memory within a compiled function, as fast as `memcpy` and without calling it."""

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload

from .row_access import ZERO
from .starts import (
    HALF,
    LANES,
    load_at,
    load_first,
    load_half_at,
    load_pairs_at,
    prefetch_to_read,
    store_at,
    store_first_at,
)
from .vectors import BITS, Vector, expect, splat, splatted


def as_words(x):
    """`x` as float32, whatever it holds, where its rows are whole words of that size; else as it is."""
    return x.view("float32") if x.itemsize != 4 and x.shape[-1] * x.itemsize % 4 == 0 else x


def copy_rows(source, columns, rows, first, last, target):
    """`target[row] = source[rows[row]]` for `row` in `range(first, last)`: float32 or uint16, rows of `columns`.

    All three are given by their starts (`start_of`).
    """


# Elements of 4 KB, the smallest page of memory there is, and those of it that a prefetcher needs to see before it
# fetches the rest: 8 lines.
_PAGE, _ASKED_FOR = 1024, 8


@njit
def _copy_words(source, columns, rows, first, last, target):
    for row in range(first, last):
        at, to, end = rows[row] * columns, row * columns, rows[row] * columns + columns
        # Where the next row lies no prefetcher can guess, nor follow it from a page to the next (8 MB of rows from
        # memory: 575 us instead of 650; each line asked for: 610).
        ahead = rows[min(row + 1, last - 1)] * columns
        for page in range(ahead, ahead + columns, _PAGE):
            for line in range(_ASKED_FOR):
                prefetch_to_read(source, page + line * LANES)
        # Four loads before the four stores, so that none waits for the other; by halves, since what comes from memory
        # takes up to a tenth longer where 512 bits are moved at a time (Zen 4).
        while at + 4 * HALF <= end:
            a, b = load_half_at(source, at), load_half_at(source, at + HALF)
            c, d = load_half_at(source, at + 2 * HALF), load_half_at(source, at + 3 * HALF)
            store_at(target, to, a)
            store_at(target, to + HALF, b)
            store_at(target, to + 2 * HALF, c)
            store_at(target, to + 3 * HALF, d)
            at, to = at + 4 * HALF, to + 4 * HALF
        if at + LANES <= end:
            store_at(target, to, load_at(source, at))
            at, to = at + LANES, to + LANES
        if at < end:
            store_first_at(target, to, load_first(source, at, end - at, ZERO), end - at)


@njit
def _copy_one_by_one(source, columns, rows, first, last, target):
    for row in range(first, last):
        for column in range(columns):
            target[row * columns + column] = source[rows[row] * columns + column]


@overload(copy_rows)
def _copy_rows(source, columns, rows, first, last, target):
    copy = _copy_words if source.dtype == types.float32 else _copy_one_by_one
    return lambda source, columns, rows, first, last, target: copy(source, columns, rows, first, last, target)


# Columns that a span takes at least: a vector of the smaller dtype. And from which on `copy_long_span` is quicker: rows
# of 1024 take it 2 to 9 % less time, rows of 256 3 to 15 % more.
SPAN_FROM, LONG_FROM = 32, 512


def copy_span(source, at, columns, first, last, other, target):
    """`target[at + i] = source[at + i]` for `i` in `range(first, last)`, `other` for the rest of `range(columns)`.

    Both given by their starts (`start_of`); `columns` is a vector's at least, and `first` and `last` are from 0 to it.
    A vector of which nothing is copied is not read.
    """


@overload(copy_span)
def _copy_span(source, at, columns, first, last, other, target):
    load_bits = load_at if source.dtype == types.float32 else load_pairs_at
    lanes = BITS // source.dtype.bitwidth

    def copy(source, at, columns, first, last, other, target):
        everywhere = splat(other)
        for index in range(0, columns, lanes):
            # The last vector ends where the row does.
            place = min(index, columns - lanes)
            if last <= place or place + lanes <= first:
                store_at(target, at + place, everywhere)
            elif first <= place and place + lanes <= last:
                store_at(target, at + place, load_bits(source, at + place))
            else:
                part = lanes_between(load_bits(source, at + place), everywhere, first - place, last - place)
                store_at(target, at + place, part)

    return copy


def copy_long_span(source, at, columns, first, last, other, target):
    """As `copy_span`, with loops of their own for what is copied and what comes before it."""


@overload(copy_long_span)
def _copy_long_span(source, at, columns, first, last, other, target):
    load_bits = load_at if source.dtype == types.float32 else load_pairs_at
    lanes = BITS // source.dtype.bitwidth

    def copy(source, at, columns, first, last, other, target):
        everywhere, index = splat(other), 0
        while index + lanes <= first:
            store_at(target, at + index, everywhere)
            index += lanes
        if index < first and index + lanes <= columns:
            copy_span(source, at + index, lanes, first - index, min(last - index, lanes), other, target)
            index += lanes
        # Four loads before the four stores, so that none waits for the other. What the next row copies is asked for
        # meanwhile, since no prefetcher expects it after what this row fills (1 to 8 % less time).
        while index + 4 * lanes <= last:
            prefetch_to_read(source, at + columns + index)
            prefetch_to_read(source, at + columns + index + lanes)
            prefetch_to_read(source, at + columns + index + 2 * lanes)
            prefetch_to_read(source, at + columns + index + 3 * lanes)
            a, b = load_bits(source, at + index), load_bits(source, at + index + lanes)
            c, d = load_bits(source, at + index + 2 * lanes), load_bits(source, at + index + 3 * lanes)
            store_at(target, at + index, a)
            store_at(target, at + index + lanes, b)
            store_at(target, at + index + 2 * lanes, c)
            store_at(target, at + index + 3 * lanes, d)
            index += 4 * lanes
        if index < columns:
            rest = min(index, columns - lanes)
            copy_span(source, at + rest, columns - rest, max(first - rest, 0), max(last - rest, 0), other, target)

    return copy


@intrinsic
def lanes_between(typing, inside, outside, first, last):
    """The lanes from `first` up to `last` of one vector, the rest of another."""
    expect(isinstance(inside, Vector) and inside == outside, "lanes_between", inside, outside)

    def generate(context, builder, signature, values):
        lane = ir.Constant(ir.VectorType(ir.IntType(32), inside.lanes), list(range(inside.lanes)))
        start, end = (
            splatted(builder, context.cast(builder, value, kind, types.int32), inside.lanes)
            for value, kind in zip(values[2:], signature.args[2:], strict=True)
        )
        within = builder.and_(builder.icmp_signed(">=", lane, start), builder.icmp_signed("<", lane, end))
        return builder.select(within, *values[:2])

    return inside(inside, outside, first, last), generate
