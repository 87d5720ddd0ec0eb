"""Programs on vectors for `test_simd`: in a module of their own, since collecting the tests must not import Numba."""

from functools import cache

import numpy as np
from numba import njit
from numba.core.errors import TypingError

from impls.simd import arithmetic as arithmetic
from impls.simd import dots as dots
from impls.simd import rows as rows
from impls.simd.copying import copy_long_span, copy_span
from impls.simd.row_access import as_rows as as_rows
from impls.simd.row_access import rows_as as rows_as
from impls.simd.starts import start_of
from impls.simd.vectors import BF16, F32, load, load_bf16, load_first, splat, store, store_first

# What an operation raises that is not defined for what it is given.
REFUSED = TypingError


def lanes(name, result, *arrays):
    """What the operation gives for the vectors at the start of `arrays`, in an array like `result`."""
    operation = getattr(dots, name) if "dot_" in name else getattr(arithmetic, name)
    result = np.zeros_like(result)
    _compiled(operation, len(arrays))(*arrays, result)
    return result


def instruction(name, label):
    """Compile a dot product by the instruction alone; anew, since Numba remembers the types that it has accepted."""
    operation = dots.dot_operation(label, getattr(dots, f"{name}_instruction"), F32, BF16, BF16)
    x, pairs = np.zeros(16, np.float32), np.zeros(32, np.uint16)
    njit(lambda a, b, c, result: store(result, 0, operation(load(a, 0), load(b, 0), load(c, 0))))(x, pairs, pairs, x)


def misused(name):
    """Compile an operation for float64, which no vector holds."""
    if name == "splat":
        njit(lambda: splat(1.0))()
    else:
        njit(lambda x: load(x, 0))(np.zeros(16))


@njit
def span(source, at, columns, first, last, other, target):
    copy_span(start_of(source), at, columns, first, last, other, start_of(target))


@njit
def long_span(source, at, columns, first, last, other, target):
    copy_long_span(start_of(source), at, columns, first, last, other, start_of(target))


@cache
def _compiled(operation, count):
    return {
        1: njit(lambda a, result: store(result, 0, operation(load(a, 0)))),
        2: njit(lambda a, b, result: store(result, 0, operation(load(a, 0), load(b, 0)))),
        3: njit(lambda a, b, c, result: store(result, 0, operation(load(a, 0), load(b, 0), load(c, 0)))),
    }[count]


@njit
def copy(source, begin, target, at):
    store(target, at, load(source, begin))


@njit
def copy_first(source, begin, target, at, count):
    store_first(target, at, load_first(source, begin, count), count)


@njit
def across(x, whole):
    return (
        arithmetic.horizontal_sum(load(x, 0)),
        arithmetic.horizontal_maximum(load(x, 0)),
        arithmetic.horizontal_sum(load(whole, 0)),
    )


@njit
def widen(x, result):
    store(result, 0, load_bf16(x, 0))


@njit
def accumulate(x, bytes_, pairs, weights, byte_weights, pair_weights, sums, whole, scaled, summed):
    """Three rows of each accumulation, begun with a number a row."""
    start = rows.splat_rows(3, x, 5)
    first = rows.fma_rows(start, x, 1, load(weights, 0))
    second = rows.dot_bf16_rows(start, pairs, 2, load(pair_weights, 0))
    totals = rows.dot_int8_rows(rows.rows_of(3, splat(np.int32(-7))), bytes_, 4, load(byte_weights, 0))
    third = rows.scaled_rows(start, totals, x, 9, load(weights, 0))
    fourth = rows.add_sixteenths(totals, rows.rows_of(3, splat(np.int32(-48))))
    for i in range(3):
        store(sums, i * 16, first[i])
        store(sums, (3 + i) * 16, second[i])
        store(whole, i * 16, totals[i])
        store(scaled, i * 16, third[i])
        store(summed, i * 16, fourth[i])


@njit
def eight_rows(x, whole, apart, folded, folded_whole, lanes_apart, spread):
    """Eight rows from anywhere, folded, and each lane of the last spread over a row."""
    of_floats, of_integers = rows.load_rows(8, x, 3, 17), rows.load_rows(8, whole, 0, 16)
    both = arithmetic.multiply(of_floats, rows.rows_of(8, splat(np.float32(2))))
    store(folded, 0, rows.maxima_of_rows(both))
    store(folded, 16, arithmetic.lower_half(rows.sums_of_rows(of_floats)))
    store(folded_whole, 0, rows.sums_of_rows(of_integers))
    rows.store_words_of_rows(apart, 1, 2, 20, of_floats)
    for i in range(8):
        store(lanes_apart, i * 16, rows.lanes_of(8, of_floats[7])[i])
    store(spread, 0, arithmetic.to_float(of_integers)[5])


@njit
def spread(x, target, index, stride):
    rows.store_words(target, index, stride, load(x, 0))


def assembly_of_a_loop():
    """Of one that loads, multiplies and adds, and stores."""

    @njit("void(float32[::1], float32[::1])")
    def scale(x, result):
        for i in range(0, x.size, 16):
            store(result, i, arithmetic.fma(load(x, i), splat(np.float32(3)), splat(np.float32(1))))

    return scale.inspect_asm(scale.signatures[0])
