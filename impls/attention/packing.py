"""Queries, keys and values in the layouts that tiles of attention read, and results back from theirs.

A tile has 16 queries in the lanes of a vector. An index counts elements of a flat array; `padded` head_dim is whole
vectors, so that loops over values need no rest. Queries and keys are moved as words of 32 bits: a float32, or a pair
of bfloat16.
"""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload

from ..simd.arithmetic import multiply
from ..simd.row_access import write, write_first
from ..simd.rows import rows_of
from ..simd.tiles import load_tile, store_tile, transposed
from ..simd.vectors import (
    F32,
    I32,
    constant,
    element_pointer,
    expect,
    is_array,
    llvm_type,
    load,
    load_as,
    load_first,
    splat,
    store,
)

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
def pack_keys(keys, base, stride, count, words, scratch, packed, to):
    """Keys of one head as `[key / 16][words][16]` from `to` on; those behind the last are 0."""
    width = padded(words)
    for start in range(0, count, LANES):
        for part in range(0, words, LANES):
            for i in range(LANES):
                vector = splat(np.float32(0))
                if start + i < count:
                    vector = load_part(keys, base + (start + i) * stride + part, words - part)
                store(scratch, i * LANES, vector)
            store_tile(packed, to + start * width + part * LANES, transposed(load_tile(scratch, 0)))


@njit
def load_queries(queries, offsets, words, scratch, tile):
    """The queries at 16 offsets, across lanes."""
    for part in range(0, words, LANES):
        for i in range(LANES):
            store(scratch, i * LANES, load_part(queries, offsets[i] + part, words - part))
        store_tile(tile, part * LANES, transposed(load_tile(scratch, 0)))


@njit
def store_results(mixed, share, offsets, halves, count, head_dim, scratch, result):
    """What was mixed, times the share of each lane, to the first `count` of 16 offsets, in words of so many numbers."""
    for part in range(0, head_dim, LANES):
        rows = multiply(load_tile(mixed, part * LANES), rows_of(16, share))
        store_tile(scratch, 0, transposed(rows))
        for i in range(count):
            if head_dim - part >= LANES:
                write(result, offsets[i] * halves + part, load(scratch, i * LANES))
            else:
                write_first(result, offsets[i] * halves + part, load(scratch, i * LANES), head_dim - part)


def pack_values(values, base, stride, count, head_dim, packed, to):
    """Values of one head from the word `to` on, zeros behind each up to whole vectors; bfloat16 by pairs of keys.

    Pairs are `[key / 2][head_dim][2]`, with zeros behind the last key.
    """


@overload(pack_values)
def _pack_values(values, base, stride, count, head_dim, packed, to):
    if values.dtype == types.float32:

        def pack_f32(values, base, stride, count, head_dim, packed, to):
            width = padded(head_dim)
            for t in range(count):
                for part in range(0, head_dim, LANES):
                    vector = load_part(values, base + t * stride + part, head_dim - part)
                    store(packed, to + t * width + part, vector)

        return pack_f32

    def pack_bf16(values, base, stride, count, head_dim, packed, to):
        width, bits = padded(head_dim), packed.view(np.uint16)
        whole = head_dim - head_dim % LANES
        for t in range(0, count, 2):
            here, at, last = base + t * stride, to + t // 2 * width, t + 1 == count
            for part in range(0, 0 if last else whole, LANES):
                store(packed, at + part, _load_paired(values, here + part, here + stride + part))
            for d in range(0 if last else whole, head_dim):
                bits[2 * (at + d)] = values[here + d]
                bits[2 * (at + d) + 1] = np.uint16(0) if last else values[here + stride + d]
            for d in range(head_dim, width):
                packed[at + d] = np.float32(0)

    return pack_bf16


@intrinsic
def _load_paired(typing, array, first, second):
    """16 uint16 from index `first` on and as many from `second` on, as the lower and upper halves of 16 words."""
    expect(is_array(array, types.uint16), "load_paired", array, first, second)

    def generate(context, builder, signature, values):
        bits, halves = llvm_type(I32), []
        for kind, index in zip(signature.args[1:], values[1:], strict=True):
            pointer = element_pointer(context, builder, signature.args[0], values[0], kind, index)
            half = load_as(builder, pointer, ir.VectorType(ir.IntType(16), LANES), 2)
            halves.append(builder.zext(half, bits))
        word = builder.or_(halves[0], builder.shl(halves[1], constant(bits, 16)))
        return builder.bitcast(word, llvm_type(F32))

    return F32(array, first, second), generate
