"""Attention of 16 queries at a time to a cache that is packed already, for prompts: the softmax online.

Queries lie across the lanes of a vector, so that maxima and sums are lane by lane and both products are chains of
`vector * one number of keys or values` (Milakov and Gimelshein 2018, arXiv 1805.02867, for the online softmax; Dao et
al. 2022, arXiv 2205.14135, for the tiles). What is mixed lies across lanes as well, and is turned at the end.

Functions without a body here are overloads: the dtype of the cache picks theirs.
"""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload

from ..simd.arithmetic import add, divide, maximum, multiply, subtract, to_bf16
from ..simd.functions import exp_share
from ..simd.rows import dot_bf16_rows, fma_rows, rows_of, store_words
from ..simd.tiles import load_tile, store_tile, transposed
from ..simd.vectors import F32, I32, constant, expect, llvm_type, load, splat, store
from .cached import LANES, PAIR, padded, pairs_of

# Keys whose scores are held at once: 8 KiB of them.
KEYS_TOGETHER = 128
# Finite, so that a block in which a query sees nothing is no NaN.
LOWEST = np.float32(-1e38)
# From 16 - n on, 16 of these hide the first n lanes.
MASKS = np.array([-np.inf] * LANES + [0.0] * LANES, np.float32)


def load_queries(queries, offsets, head_dim, keys, scratch, tile):
    """The queries at 16 offsets, filled up to whole vectors, across lanes."""


def score(tile, keys, strip, head_dim, scores, at):
    """Scores of the 16 keys of a strip, one vector a key."""


def weigh(keys, scores, count, top, total):
    """Scores to `e**(score - top)`, an even number of them, as `mix` reads them; `total` and their sum."""


def mix(scores, count, values, first, width, mixed):
    """`mixed += values * scores` over `count` slots from `first` on, a multiple of 16."""


@overload(load_queries)
def _load_queries(queries, offsets, head_dim, keys, scratch, tile):
    if keys.dtype == types.float32:

        def floats(queries, offsets, head_dim, keys, scratch, tile):
            for part in range(0, head_dim, LANES):
                for i in range(LANES):
                    store(scratch, i * LANES, load(queries, offsets[i] + part))
                store_tile(tile, part * LANES, transposed(load_tile(scratch, 0)))

        return floats

    def halves(queries, offsets, head_dim, keys, scratch, tile):
        bits = tile.view(np.uint16)
        for i in range(LANES):
            for part in range(0, head_dim, LANES):
                vector = to_bf16(load(queries, offsets[i] + part))
                store_words(bits, part * LANES + i * PAIR, LANES * PAIR, vector)

    return halves


@overload(score)
def _score(tile, keys, strip, head_dim, scores, at):
    if keys.dtype == types.float32:

        def floats(tile, keys, strip, head_dim, scores, at):
            sums, start = rows_of(16, splat(np.float32(0))), strip * LANES * padded(head_dim)
            for d in range(head_dim):
                sums = fma_rows(sums, keys, start + d * LANES, load(tile, d * LANES))
            store_tile(scores, at * LANES, sums)

        return floats

    def halves(tile, keys, strip, head_dim, scores, at):
        sums, start = rows_of(16, splat(np.float32(0))), strip * LANES * padded(head_dim)
        queries, step = tile.view(np.uint16), LANES * PAIR
        for pair in range(pairs_of(head_dim)):
            sums = dot_bf16_rows(sums, keys, start + pair * step, load(queries, pair * step))
        store_tile(scores, at * LANES, sums)

    return halves


@intrinsic
def _paired(typing, first, second):
    """Two float32 vectors, 0 or more, rounded to bf16, in the lower and the upper half of each lane."""
    expect(first == second == F32, "_paired", first, second)

    def generate(context, builder, signature, values):
        bits = llvm_type(I32)
        # To the nearest, halves up: of weights, that lie between 0 and 1, nothing more is needed.
        lower, upper = (builder.add(builder.bitcast(value, bits), constant(bits, 0x8000)) for value in values)
        lower = builder.lshr(lower, constant(bits, 16))
        upper = builder.and_(upper, constant(bits, 0xFFFF0000))
        return builder.bitcast(builder.or_(lower, upper), llvm_type(F32))

    return F32(first, second), generate


@overload(weigh)
def _weigh(keys, scores, count, top, total):
    in_pairs = keys.dtype != types.float32

    def weighed(keys, scores, count, top, total):
        even = odd = splat(np.float32(0))
        for t in range(0, count, PAIR):
            first = exp_share(subtract(load(scores, t * LANES), top))
            second = exp_share(subtract(load(scores, (t + 1) * LANES), top))
            even, odd = add(even, first), add(odd, second)
            if in_pairs:
                store(scores, t // PAIR * LANES, _paired(first, second))
            else:
                store(scores, t * LANES, first)
                store(scores, (t + 1) * LANES, second)
        return add(total, add(even, odd))

    return weighed


@overload(mix)
def _mix(scores, count, values, first, width, mixed):
    if values.dtype == types.float32:

        def floats(scores, count, values, first, width, mixed):
            for part in range(0, width, LANES):
                sums = load_tile(mixed, part * LANES)
                for t in range(count):
                    sums = fma_rows(sums, values, (first + t) * width + part, load(scores, t * LANES))
                store_tile(mixed, part * LANES, sums)

        return floats

    def halves(scores, count, values, first, width, mixed):
        weights = scores.view(np.uint16)
        for part in range(0, width, LANES):
            sums = load_tile(mixed, part * LANES)
            for pair in range((count + 1) // PAIR):
                start = ((first // PAIR + pair) * width + part) * PAIR
                sums = dot_bf16_rows(sums, values, start, load(weights, pair * LANES * PAIR))
            store_tile(mixed, part * LANES, sums)

    return halves


@njit
def _hide(scores, first, last):
    for t in range(first, last):
        store(scores, t * LANES, splat(np.float32(-np.inf)))


@njit
def _hide_later(scores, start, end, first_row, group):
    """-inf where a slot of `[start, end)` comes after the row's: row r of queries is in slot r // group."""
    for key in range(max(start, first_row // group + 1), end):
        hidden, at = min(key * group - first_row, LANES), (key - start) * LANES
        store(scores, at, add(load(scores, at), load(MASKS, LANES - hidden)))


@njit
def _largest(scores, count, found):
    """The largest of `found` and of `count` scores, a multiple of 4."""
    a = b = c = d = found
    for t in range(0, count, 4):
        a = maximum(load(scores, t * LANES), a)
        b = maximum(load(scores, (t + 1) * LANES), b)
        c = maximum(load(scores, (t + 2) * LANES), c)
        d = maximum(load(scores, (t + 3) * LANES), d)
    return maximum(maximum(a, b), maximum(c, d))


@njit
def attend_tile(first_slot, end_slot, first_row, group, head_dim, width, keys, values, tile, scores, mixed):
    """Mix the values of the slots `[first_slot, end_slot)` for 16 rows of queries; the sums of their weights."""
    for at in range(0, width * LANES, LANES):
        store(mixed, at, splat(np.float32(0)))
    top, total = splat(LOWEST), splat(np.float32(0))
    begin = first_slot - first_slot % LANES
    for start in range(begin, end_slot, KEYS_TOGETHER):
        size = min(KEYS_TOGETHER, end_slot - start)
        filled = (size + LANES - 1) // LANES * LANES
        for at in range(0, filled, LANES):
            score(tile, keys, (start + at) // LANES, head_dim, scores, at)
        _hide(scores, 0, min(filled, max(0, first_slot - start)))
        _hide(scores, size, filled)
        _hide_later(scores, start, start + size, first_row, group)
        found = _largest(scores, filled, top)
        if start > begin:
            shrunk = exp_share(subtract(top, found))
            total = multiply(total, shrunk)
            for at in range(0, width * LANES, LANES):
                store(mixed, at, multiply(load(mixed, at), shrunk))
        total, top = weigh(keys, scores, filled, found, total), found
        mix(scores, size, values, start, width, mixed)
    return total


@njit
def store_results(mixed, total, offsets, count, width, scratch, result):
    """What was mixed over its sums, to the first `count` of 16 offsets."""
    share = divide(splat(np.float32(1)), total)
    for part in range(0, width, LANES):
        for d in range(LANES):
            at = (part + d) * LANES
            store(mixed, at, multiply(load(mixed, at), share))
        store_tile(scratch, 0, transposed(load_tile(mixed, part * LANES)))
        for i in range(count):
            store(result, offsets[i] + part, load(scratch, i * LANES))
