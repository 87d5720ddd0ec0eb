"""Attention of one token to a cache, in float32: a stream of keys, then one of values, for all heads of a text.

Vectors lie along head_dim, as the cache does. A score is a sum across lanes, which by itself costs as much as the
product before it: 16 of them are folded onto each other, two at a time, into one vector with a score in each lane.
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange

from ..simd.arithmetic import add, fma, horizontal_maximum, horizontal_sum, maximum, multiply
from ..simd.row_access import FIRST, as_bits, read, read_first, signatures, write, write_first
from ..simd.rows import rows_of
from ..simd.tiles import fma_along, fma_strided, lane_sums, store_tile
from ..simd.vectors import load, splat, store
from .ahead import ASKED_FROM
from .grouped_streams import attend_groups, fits
from .packing import LANES, aligned_empty, padded
from .softmax import LOG2_E, LOWEST, exp2


@njit
def load_part(array, index, count):
    """16 elements as float32, or `count` of them if that is fewer, and zeros."""
    return read(array, index) if count >= LANES else read_first(array, index, count, np.float32(0))


@njit
def store_part(array, index, vector, count):
    if count >= LANES:
        write(array, index, vector)
    else:
        write_first(array, index, vector, count)


@njit
def attend_heads(q, k_cache, v_cache, batch, first_head, last_head, first, count, result):
    """Key heads `first_head` to `last_head` of one text: `count` slots from `first` on, around the end of the ring."""
    heads, head_dim = q.shape[1:]
    context, kv_heads = k_cache.shape[1:3]
    group, width, stride = heads // kv_heads, padded(head_dim), kv_heads * head_dim
    queries_here = (last_head - first_head) * group
    room = (count + LANES - 1) // LANES * LANES + LANES
    scores = aligned_empty(queries_here * room)
    queries, mixed = aligned_empty(queries_here * width), aligned_empty(queries_here * width)
    at = (batch * heads + first_head * group) * head_dim
    for n in range(queries_here):
        for part in range(0, head_dim, LANES):
            store(queries, n * width + part, load_part(q, at + n * head_dim + part, head_dim - part))
            store(mixed, n * width + part, splat(np.float32(0)))
    base = batch * context * stride + first_head * head_dim
    before_end = min(count, context - first)
    # A ring is seen in two pieces, the older behind its newest slot; of the second there may be nothing.
    for piece, length in enumerate((before_end, count - before_end)):
        start = base + (0 if piece else first) * stride
        score(k_cache, start, stride, length, queries, queries_here, group, head_dim, scores, before_end * piece, room)
    factor = LOG2_E / np.float32(np.sqrt(head_dim))
    for n in range(queries_here):
        for t in range(count, room):
            scores[n * room + t] = LOWEST
        weigh(scores, n * room, room, factor)
    for piece, length in enumerate((before_end, count - before_end)):
        start = base + (0 if piece else first) * stride
        mix(v_cache, start, stride, length, scores, before_end * piece, room, queries_here, group, head_dim, mixed)
    for n in range(queries_here):
        for part in range(0, head_dim, LANES):
            store_part(result, at + n * head_dim + part, load(mixed, n * width + part), head_dim - part)


@njit
def score(keys, base, stride, count, queries, queries_here, group, head_dim, scores, at, room):
    """Scores of `count` positions, `stride` apart from `base` on, for each query, from `at` on in its row."""
    width = padded(head_dim)
    together = count - count % LANES if width == head_dim else 0
    for t in range(0, together, LANES):
        for n in range(queries_here):
            sums = rows_of(16, splat(np.float32(0)))
            start = base + t * stride + n // group * head_dim
            for part in range(0, head_dim, LANES):
                sums = fma_strided(sums, keys, start + part, stride, load(queries, n * width + part))
            store(scores, n * room + at + t, lane_sums(sums))
    for t in range(together, count):
        for n in range(queries_here):
            total = splat(np.float32(0))
            start = base + t * stride + n // group * head_dim
            for part in range(0, head_dim, LANES):
                total = fma(load_part(keys, start + part, head_dim - part), load(queries, n * width + part), total)
            scores[n * room + at + t] = horizontal_sum(total)


@njit
def weigh(scores, at, room, factor):
    """Scores to weights: the softmax of `room` of them from `at` on, times `factor`, which holds log2(e)."""
    top = splat(LOWEST)
    for t in range(at, at + room, LANES):
        top = maximum(load(scores, t), top)
    offset = splat(-factor * horizontal_maximum(top))
    total = splat(np.float32(0))
    for t in range(at, at + room, LANES):
        weight = exp2(fma(load(scores, t), splat(factor), offset))
        store(scores, t, weight)
        total = add(total, weight)
    share = splat(np.float32(1) / horizontal_sum(total))
    for t in range(at, at + room, LANES):
        store(scores, t, multiply(load(scores, t), share))


@njit
def mix(values, base, stride, count, weights, at, room, queries_here, group, head_dim, mixed):
    """`mixed += weights @ values` for each query; 16 positions at a time, which stay in the nearest cache."""
    width = padded(head_dim)
    whole = head_dim - head_dim % (4 * LANES)
    for first in range(0, count, LANES):
        last = min(first + LANES, count)
        for n in range(queries_here):
            own, start = n * room + at, base + n // group * head_dim
            for part in range(0, whole, 4 * LANES):
                sums = fma_along(rows_of(4, splat(np.float32(0))), mixed, n * width + part, splat(np.float32(1)))
                for t in range(first, last):
                    sums = fma_along(sums, values, start + t * stride + part, splat(weights[own + t]))
                store_tile(mixed, n * width + part, sums)
            for part in range(whole, head_dim, LANES):
                total = load(mixed, n * width + part)
                for t in range(first, last):
                    value = load_part(values, start + t * stride + part, head_dim - part)
                    total = fma(value, splat(weights[own + t]), total)
                store(mixed, n * width + part, total)


# Numbers read, below which one thread is done sooner than two have started.
PARALLEL_FROM = 100_000


def attend(q, k_cache, v_cache, length, window, pairs=False):
    """The last `window` of `length` positions, position p in slot p % context; ValueError if they cannot be there.

    With `pairs`, bfloat16 is multiplied by pairs where heads share keys, and else in float32.
    """
    (batch, heads, head_dim), (_, context, kv_heads, _) = q.shape, k_cache.shape
    if k_cache.shape != v_cache.shape or k_cache.shape != (batch, context, kv_heads, head_dim) or heads % kv_heads:
        raise ValueError(
            f"q, k_cache and v_cache have shapes {q.shape}, {k_cache.shape} and {v_cache.shape}, expected (batch, "
            "heads, head_dim) and twice (batch, context, kv_heads, head_dim), kv_heads a divisor of heads"
        )
    count = min(length, window)
    if not 1 <= count <= context:
        raise ValueError(f"{count} of {length} positions are to be seen, expected 1 to {context}, the context")
    bits = as_bits(q), as_bits(k_cache), as_bits(v_cache)
    result, first = np.empty_like(bits[0]), (length - count) % context
    together = (pairs or q.dtype == np.float32) and fits(heads // kv_heads, head_dim)
    seen = 2 * batch * count * kv_heads * head_dim
    threads, asked = get_num_threads() if seen >= PARALLEL_FROM else 1, seen * q.itemsize >= ASKED_FROM
    if threads == 1:
        _serial(*bits, first, count, together, asked, result)
    else:
        # A thread takes neighbouring heads of a text, or all: what it reads is then contiguous, and prefetched.
        parts = min(threads // math.gcd(batch, threads), kv_heads)
        _parallel(*bits, first, count, together, asked, parts, result)
    return result.view(q.dtype)


_QUERY, _CACHE = "real[:, :, ::1]", "real[:, :, :, ::1]"
_GIVEN = f"{_QUERY}, {_CACHE}, {_CACHE}, int64, int64, boolean, boolean"


@njit(signatures(f"({_GIVEN}, {_QUERY})"), cache=True)
def _serial(q, k_cache, v_cache, first, count, together, asked, result):
    for batch in range(q.shape[0]):
        if together:
            attend_groups(q, k_cache, v_cache, batch, FIRST, k_cache.shape[2], first, count, asked, result)
        else:
            attend_heads(q, k_cache, v_cache, batch, FIRST, k_cache.shape[2], first, count, result)


@njit(signatures(f"({_GIVEN}, int64, {_QUERY})"), parallel=True, cache=True)
def _parallel(q, k_cache, v_cache, first, count, together, asked, parts, result):
    kv_heads = k_cache.shape[2]
    for item in prange(q.shape[0] * parts):
        batch, part = item // parts, item % parts
        first_head, last_head = part * kv_heads // parts, (part + 1) * kv_heads // parts
        if together:
            attend_groups(q, k_cache, v_cache, batch, first_head, last_head, first, count, asked, result)
        else:
            attend_heads(q, k_cache, v_cache, batch, first_head, last_head, first, count, result)
