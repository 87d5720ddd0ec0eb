"""Attention of the heads of one thread: a token's keys and values to the cache, then its queries against it.

In `qkv`, each key head has its queries, its key and its value next to each other, `width` columns each. Within queries
and keys, dimension i of a head and i + head_dim / 2, which RoPE turns as a pair, lie next to each other.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from ..simd.arithmetic import add, fma, horizontal_maximum, horizontal_sum, maximum, multiply, subtract
from ..simd.functions import exp_share
from ..simd.vectors import F32, expect, load, splat, store
from .cached import LANES, mix_part, put_key, put_value, query_for, score_strip, weights_for
from .tiles import LOWEST, attend_tile, load_queries, store_results


class Heads(NamedTuple):
    """Queries that share a key, numbers of a head, and these filled up to whole vectors."""

    group: int
    head_dim: int
    width: int


@intrinsic
def _swapped(typing, vector):
    """Each pair of lanes the other way round."""
    expect(vector == F32, "_swapped", vector)

    def generate(context, builder, signature, values):
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), 16), [lane ^ 1 for lane in range(16)])
        return builder.shuffle_vector(values[0], ir.Constant(values[0].type, ir.Undefined), lanes)

    return vector(vector), generate


@njit
def turn(qkv, at, width, turns, position):
    """RoPE on the head at a flat index of qkv; `turns[position]` holds cosines, and sines with the signs they have."""
    angle = position * 2 * width
    for part in range(0, width, LANES):
        vector = load(qkv, at + part)
        sines = multiply(_swapped(vector), load(turns, angle + width + part))
        store(qkv, at + part, fma(vector, load(turns, angle + part), sines))


@njit
def put_row(qkv, row, head, slot, position, heads, turns, turned, keys, values):
    """A key head's queries as scores want them, turned and scaled; its key, turned, and its value in the cache."""
    group, width = heads.group, heads.width
    start = row * qkv.shape[1] + head * (group + 2) * width
    if turned:
        for member in range(group + 1):
            turn(qkv, start + member * width, width, turns, position)
    scale = splat(np.float32(1) / np.sqrt(np.float32(heads.head_dim)))
    for at in range(start, start + group * width, LANES):
        store(qkv, at, multiply(load(qkv, at), scale))
    for part in range(0, width, LANES):
        put_key(keys, slot, part, heads.head_dim, load(qkv, start + group * width + part))
        put_value(values, slot, part, width, load(qkv, start + (group + 1) * width + part))


@njit
def attend_row(qkv, row, head, slot, first, heads, keys, values, spaces, mixed):
    """The queries of one token for a key head, against the slots from `first` to its own."""
    scores, bits, group, width = spaces.scores, spaces.bits, heads.group, heads.width
    start, to = row * qkv.shape[1] + head * (group + 2) * width, row * mixed.shape[1] + head * group * width
    strip, last_strip = first // LANES, slot // LANES
    begin, end = strip * LANES, (last_strip + 1) * LANES
    for member in range(group):
        query = query_for(qkv, start + member * width, heads.head_dim, bits)
        for each in range(strip, last_strip + 1):
            store(scores, each * LANES, score_strip(keys, each, query, heads.head_dim))
        for t in range(begin, first):
            scores[t] = LOWEST
        for t in range(slot + 1, end):
            scores[t] = LOWEST
        weigh(scores, begin, end)
        weights = weights_for(scores, begin, end, bits)
        for part in range(0, width, LANES):
            store(mixed, to + member * width + part, mix_part(values, weights, first, slot + 1, part, width))


@njit(error_model="numpy")
def weigh(scores, begin, end):
    """Their softmax in place of the scores `[begin, end)`."""
    top, total = splat(LOWEST), splat(np.float32(0))
    for t in range(begin, end, LANES):
        top = maximum(load(scores, t), top)
    top = splat(horizontal_maximum(top))
    for t in range(begin, end, LANES):
        weight = exp_share(subtract(load(scores, t), top))
        store(scores, t, weight)
        total = add(total, weight)
    share = splat(np.float32(1) / horizontal_sum(total))
    for t in range(begin, end, LANES):
        store(scores, t, multiply(load(scores, t), share))


@njit
def attend_rows(qkv, row, head, start, end, first, heads, keys, values, spaces, mixed):
    """The queries of a text's tokens in the slots `start` to `end`, the first of them in `row`; none see below `first`.

    Those of padding get 0.
    """
    group, head_dim, width = heads.group, heads.head_dim, heads.width
    for slot in range(start, min(first, end)):
        to = (row + slot - start) * mixed.shape[1] + head * group * width
        for part in range(0, group * width, LANES):
            store(mixed, to + part, splat(np.float32(0)))
    for first_row in range(max(first, start) * group, end * group, LANES):
        count = min(LANES, end * group - first_row)
        for i in range(LANES):
            # Rows behind the last are the last again, and their results unused.
            slot, member = divmod(first_row + min(i, count - 1), group)
            here = row + slot - start
            spaces.queries[i] = here * qkv.shape[1] + (head * (group + 2) + member) * width
            spaces.results[i] = here * mixed.shape[1] + (head * group + member) * width
        load_queries(qkv, spaces.queries, width, keys, spaces.scores, spaces.tile)
        end_slot = (first_row + count - 1) // group + 1
        total = attend_tile(
            first, end_slot, first_row, group, head_dim, width, keys, values, spaces.tile, spaces.scores, spaces.mixed
        )
        store_results(spaces.mixed, total, spaces.results, count, width, spaces.scores, mixed)
