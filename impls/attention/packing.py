"""Queries, keys and values in the layouts that tiles of attention read, and results back from theirs.

A tile has 16 queries in the lanes of a vector. An index counts elements of a flat array; `padded` head_dim is whole
vectors, so that loops over values need no rest.
"""

import numpy as np
from numba import njit

from ..simd.arithmetic import divide, multiply
from ..simd.tiles import load_tile, store_tile, transposed
from ..simd.vectors import load, load_first, splat, store, store_first

LANES = 16


@njit(inline="always")
def aligned_empty(count):
    memory = np.empty(count + LANES, np.float32)
    start = (-memory.ctypes.data % 64) // 4
    return memory[start : start + count]


@njit(inline="always")
def padded(head_dim):
    return (head_dim + LANES - 1) // LANES * LANES


@njit
def load_part(array, index, count):
    """16 elements, or `count` of them if that is fewer, and zeros."""
    return load(array, index) if count >= LANES else load_first(array, index, count)


@njit
def store_part(array, index, vector, count):
    if count >= LANES:
        store(array, index, vector)
    else:
        store_first(array, index, vector, count)


@njit
def pack_keys(keys, base, stride, first, last, head_dim, scratch, packed):
    """Keys `first` to `last` of one head as `[key / 16][head_dim][16]`; those behind the last are 0."""
    width = padded(head_dim)
    for start in range(first, last, LANES):
        for part in range(0, head_dim, LANES):
            for i in range(LANES):
                vector = splat(np.float32(0))
                if start + i < last:
                    vector = load_part(keys, base + (start + i) * stride + part, head_dim - part)
                store(scratch, i * LANES, vector)
            store_tile(packed, (start - first) * width + part * LANES, transposed(load_tile(scratch, 0)))


@njit
def pack_values(values, base, stride, first, last, head_dim, packed):
    """Values of one head without those of others between, zeros behind each up to whole vectors."""
    width = padded(head_dim)
    for t in range(first, last):
        for part in range(0, head_dim, LANES):
            vector = load_part(values, base + t * stride + part, head_dim - part)
            store(packed, (t - first) * width + part, vector)


@njit
def load_queries(queries, offsets, head_dim, scratch, tile):
    """The queries at 16 offsets, across lanes."""
    for part in range(0, head_dim, LANES):
        for i in range(LANES):
            store(scratch, i * LANES, load_part(queries, offsets[i] + part, head_dim - part))
        store_tile(tile, part * LANES, transposed(load_tile(scratch, 0)))


@njit
def store_results(mixed, total, offsets, count, head_dim, scratch, result):
    """What was mixed, divided by the sums of the softmax, to the first `count` of 16 offsets."""
    share = divide(splat(np.float32(1)), total)
    for part in range(0, head_dim, LANES):
        for d in range(LANES):
            at = (part + d) * LANES
            store(mixed, at, multiply(load(mixed, at), share))
        store_tile(scratch, 0, transposed(load_tile(mixed, part * LANES)))
        for i in range(count):
            store_part(result, offsets[i] + part, load(scratch, i * LANES), head_dim - part)
