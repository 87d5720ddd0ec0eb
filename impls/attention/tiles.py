"""Attention by tiles in float32: 16 queries in the lanes of a vector, 16 keys at a time, the softmax online.

Queries lie across lanes, so that maxima and sums of a softmax are lane by lane, and both products are chains of
`vector * one number of keys or values`: the numbers are contiguous once keys are transposed by 16. A score is computed
once and lives in the first-level cache until it is used (Milakov and Gimelshein 2018, arXiv 1805.02867, for the
online softmax; Dao et al. 2022, arXiv 2205.14135, for the tiles).

The rows of one key head are its queries by position and then by the query heads that share it, `group` of them: row r
is at position r // group. All arrays are flat, `batch seq heads head_dim` in this order.
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange

from ..simd.arithmetic import _power_of_two, add, float_bits, fma, maximum, multiply, subtract
from ..simd.rows import fma_rows, rows_of
from ..simd.tiles import load_tile, store_tile
from ..simd.vectors import load, splat, store
from .packing import LANES, aligned_empty, load_queries, pack_keys, pack_values, padded, store_results

# Keys whose scores are held at once: 8 KiB of them, so that they and a share of keys and values fit a 32 KiB cache.
BLOCK = 128
# Finite, so that a block in which a query sees nothing is no NaN.
LOWEST = np.float32(-1e38)
LOG2_E = np.float32(1.4426950408889634)
# Added to a number below 2**22 it leaves the nearest whole number, plus the exponent bias, in the lowest bits.
ROUNDING = np.float32(3 * 2**22 + 127)
# 2**x on [-1/2, 1/2] to 0.7 eps, the highest power first (fitted for the least relative error).
_P6, _P5, _P4, _P3, _P2, _P1, _P0 = (
    np.float32(power)
    for power in (
        1.5345811523e-4,
        1.3399931215e-3,
        9.6184889589e-3,
        5.5503287770e-2,
        2.4022646891e-1,
        6.9314720574e-1,
        1,
    )
)
# From 16 - n on, 16 of these mask the first n lanes; from 32 - n on, all but the first n.
MASKS = np.array([-np.inf] * LANES + [0.0] * LANES + [-np.inf] * LANES, np.float32)


@njit(inline="always")
def exp2(x):
    """`2**x` of vectors that are 0 or less: 0 below 2**-126, NaN of NaN."""
    limited = maximum(splat(np.float32(-127)), x)
    shifted = add(limited, splat(ROUNDING))
    rest = subtract(limited, subtract(shifted, splat(ROUNDING)))
    series = fma(splat(_P6), rest, splat(_P5))
    series = fma(series, rest, splat(_P4))
    series = fma(series, rest, splat(_P3))
    series = fma(series, rest, splat(_P2))
    series = fma(series, rest, splat(_P1))
    series = fma(series, rest, splat(_P0))
    return multiply(series, _power_of_two(float_bits(shifted)))


@njit
def score(tile, packed, strip, head_dim, width, scores, at):
    """Scores of 16 keys, the strip of them, to `scores`."""
    sums = rows_of(16, splat(np.float32(0)))
    start = strip * width * LANES
    for d in range(head_dim):
        sums = fma_rows(sums, packed, start + d * LANES, load(tile, d * LANES))
    store_tile(scores, at * LANES, sums)


@njit
def mix(scores, count, packed, first, width, mixed):
    """`mixed += values * scores` over `count` keys from `first` on."""
    for part in range(0, width, LANES):
        sums = load_tile(mixed, part * LANES)
        for t in range(count):
            sums = fma_rows(sums, packed, (first + t) * width + part, load(scores, t * LANES))
        store_tile(mixed, part * LANES, sums)


@njit
def masked(scores, first_key, count, first_row, group, window):
    """-inf where a key comes after the row's position, or `window` or more before it."""
    for t in range(count):
        key = first_key + t
        hidden = min(max(key * group - first_row, 0), LANES)
        seen = min(max((key + window) * group - first_row, 0), LANES)
        if hidden:
            store(scores, t * LANES, add(load(scores, t * LANES), load(MASKS, LANES - hidden)))
        if seen < LANES:
            store(scores, t * LANES, add(load(scores, t * LANES), load(MASKS, 2 * LANES - seen)))


@njit
def highest(scores, count, found):
    a = b = c = d = found
    whole = count - count % 4
    for t in range(0, whole, 4):
        a = maximum(load(scores, t * LANES), a)
        b = maximum(load(scores, (t + 1) * LANES), b)
        c = maximum(load(scores, (t + 2) * LANES), c)
        d = maximum(load(scores, (t + 3) * LANES), d)
    for t in range(whole, count):
        a = maximum(load(scores, t * LANES), a)
    return maximum(maximum(a, b), maximum(c, d))


@njit
def weigh(scores, count, factor, top, total):
    """Scores to `2**(factor * (score - top))`; their sum is added to `total`."""
    offset = multiply(top, splat(-factor))
    for t in range(count):
        weight = exp2(fma(load(scores, t * LANES), splat(factor), offset))
        store(scores, t * LANES, weight)
        total = add(total, weight)
    return total


@njit
def clear(mixed, width):
    for d in range(width):
        store(mixed, d * LANES, splat(np.float32(0)))


@njit
def settle(scores, start, count, first, first_row, group, window, factor, top, total, mixed, width):
    """Hide what is not seen, find the largest scores so far, and shrink sums and mixed values to them."""
    # Rows of a tile differ in what they see only near both ends.
    if (start + count - 1) * group > first_row or (start + window) * group < first_row + LANES:
        masked(scores, start, count, first_row, group, window)
    found = highest(scores, count, top)
    if start > first:
        shrunk = exp2(multiply(subtract(top, found), splat(factor)))
        total = multiply(total, shrunk)
        for d in range(width):
            store(mixed, d * LANES, multiply(load(mixed, d * LANES), shrunk))
    return found, total


@njit
def attend_tile(tile, keys, values, first_key, last_key, first_row, group, window, factor, head_dim, scores, mixed):
    """Mix the values of keys `first_key` to `last_key` for 16 rows; the sum of their weights."""
    width = padded(head_dim)
    clear(mixed, width)
    top, total = splat(LOWEST), splat(np.float32(0))
    first = first_key - first_key % LANES
    for start in range(first, last_key, BLOCK):
        count = min(BLOCK, last_key - start)
        for at in range(0, count, LANES):
            score(tile, keys, (start + at) // LANES, head_dim, width, scores, at)
        top, total = settle(scores, start, count, first, first_row, group, window, factor, top, total, mixed, width)
        total = weigh(scores, count, factor, top, total)
        mix(scores, count, values, start, width, mixed)
    return total


@njit
def locate(offsets, first_row, count, batch, head, seq, heads, group, head_dim):
    """Where 16 rows of queries begin; those behind the last of `count` are the last again, and their results unused."""
    for i in range(LANES):
        position, member = divmod(first_row + min(i, count - 1), group)
        offsets[i] = ((batch * seq + position) * heads + head * group + member) * head_dim


@njit
def attend_head(queries, keys, values, unit, window, part, parts, result):
    """Every `parts`-th tile of the queries of a unit: those of one text that share one key head."""
    (_, seq, heads, head_dim), kv_heads = queries.shape, keys.shape[2]
    batch, head = divmod(unit, kv_heads)
    group, width = heads // kv_heads, padded(head_dim)
    strips = (seq + LANES - 1) // LANES
    packed_keys = aligned_empty(strips * LANES * width)
    packed_values = aligned_empty(seq * width)
    tile, mixed = aligned_empty(width * LANES), aligned_empty(width * LANES)
    scores, scratch = aligned_empty(BLOCK * LANES), aligned_empty(LANES * LANES)
    offsets = np.empty(LANES, np.int64)
    base, stride = (batch * seq * kv_heads + head) * head_dim, kv_heads * head_dim
    pack_keys(keys, base, stride, 0, seq, head_dim, scratch, packed_keys)
    pack_values(values, base, stride, 0, seq, head_dim, packed_values)
    factor = LOG2_E / np.float32(np.sqrt(head_dim))
    rows = seq * group
    for first_row in range(part * LANES, rows, parts * LANES):
        count = min(LANES, rows - first_row)
        locate(offsets, first_row, count, batch, head, seq, heads, group, head_dim)
        load_queries(queries, offsets, head_dim, scratch, tile)
        first_key = max(0, first_row // group - window + 1)
        last_key = (first_row + count - 1) // group + 1
        total = attend_tile(
            tile,
            packed_keys,
            packed_values,
            first_key,
            last_key,
            first_row,
            group,
            window,
            factor,
            head_dim,
            scores,
            mixed,
        )
        store_results(mixed, total, offsets, count, head_dim, scratch, result)


# Below so many products a parallel region costs more than it saves.
PARALLEL_FROM = 200_000


def attend(q, k, v, window):
    """Attention of each position to `window` positions up to itself; float32 arrays `batch seq heads head_dim`."""
    q, k, v = checked(q, k, v)
    return shared(_serial, _parallel, q, k, v, window)


def checked(q, k, v):
    """All three contiguous; ValueError unless their shapes fit."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    if k.shape != v.shape or k.shape != (batch, seq, kv_heads, head_dim) or heads % kv_heads:
        raise ValueError(
            f"q, k and v have shapes {q.shape}, {k.shape} and {v.shape}, expected (batch, seq, heads, head_dim) and "
            "twice (batch, seq, kv_heads, head_dim), kv_heads a divisor of heads"
        )
    return np.ascontiguousarray(q), np.ascontiguousarray(k), np.ascontiguousarray(v)


def shared(serial, parallel, q, k, v, window):
    """The result of one of two compiled functions, by threads where that pays."""
    batch, seq, heads, head_dim = q.shape
    result, window = np.empty_like(q), min(window, seq)
    threads = get_num_threads()
    if threads == 1 or batch * heads * seq * window * head_dim < PARALLEL_FROM:
        serial(q, k, v, window, result)
    else:
        # The fewest parts of a head that give each thread as many; each part packs its keys and values anew.
        parallel(q, k, v, window, threads // math.gcd(batch * k.shape[2], threads), result)
    return result


_ARRAY = "float32[:, :, :, ::1]"


@njit(f"({_ARRAY}, {_ARRAY}, {_ARRAY}, int64, {_ARRAY})", cache=True)
def _serial(q, k, v, window, result):
    for unit in range(q.shape[0] * k.shape[2]):
        attend_head(q, k, v, unit, window, 0, 1, result)


@njit(f"({_ARRAY}, {_ARRAY}, {_ARRAY}, int64, int64, {_ARRAY})", parallel=True, cache=True)
def _parallel(q, k, v, window, parts, result):
    for item in prange(q.shape[0] * k.shape[2] * parts):
        attend_head(q, k, v, item // parts, window, item % parts, parts, result)
