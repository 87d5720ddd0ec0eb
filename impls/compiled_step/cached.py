"""Keys and values of one head in its cache, float32 or bf16, and what one query or a tile of 16 makes of them.

Keys lie in strips of 16 positions, `[position / 16][head_dim][16]`, so that 16 scores are one chain of products without
a sum across lanes; values as `[position][width]`, where `width` is head_dim filled up to whole vectors. In bf16, two
neighbours along the sum are a pair: `[position / 16][head_dim / 2][16][2]` and `[position / 2][width][2]`. A strip of
keys is filled up to `width` as well.

Functions without a body here are overloads: the dtype of the cache picks theirs.
"""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload

from ..simd.arithmetic import add, fma, to_bf16
from ..simd.rows import dot_bf16_rows, rows_of, store_words
from ..simd.vectors import BF16_HALF, I32, constant, element_pointer, expect, is_array, llvm_type, load, splat, store

LANES = 16
PAIR = 2
ZERO = np.float32(0)


def put_key(keys, slot, part, head_dim, vector):
    """16 numbers of the key in a slot, from `part` on."""


def put_value(values, slot, part, width, vector):
    """16 numbers of the value in a slot, from `part` on."""


def query_for(queries, at, head_dim, bits):
    """What `score_strip` reads: the float32 query at `at`, or what it leaves of it in `bits`."""


def score_strip(keys, strip, query, head_dim):
    """The products of a query, from `query_for`, with the 16 keys of a strip."""


def mix_part(values, weights, first, last, part, width):
    """The 16 numbers from `part` on of the values in slots `[first, last)`, each times its weight."""


def weights_for(weights, first, last, bits):
    """What `mix_part` reads: the float32 weights, or what it leaves of those from `first` to `last` in `bits`."""


@njit
def padded(count):
    """Filled up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@njit
def pairs_of(head_dim):
    return (head_dim + 1) // PAIR


@intrinsic
def store_half_of_pairs(typing, array, index, half, vector):
    """16 bf16 as the first (half 0) or second (1) of the pairs from `index` on; beside a first one comes a 0."""
    expect(is_array(array, types.uint16) and vector == BF16_HALF, "store_half_of_pairs", array, index, half, vector)

    def generate(context, builder, signature, values):
        words = llvm_type(I32)
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        pointer = builder.bitcast(pointer, words.as_pointer())
        first = builder.zext(values[3], words)
        kept = builder.and_(builder.load(pointer, align=2), constant(words, 0xFFFF))
        second = builder.or_(kept, builder.shl(first, constant(words, 16)))
        is_first = builder.icmp_signed("==", values[2], values[2].type(0))
        builder.store(builder.select(is_first, first, second), pointer, align=2)
        return context.get_dummy_value()

    return types.void(array, index, half, vector), generate


@overload(put_key)
def _put_key(keys, slot, part, head_dim, vector):
    if keys.dtype == types.float32:

        def floats(keys, slot, part, head_dim, vector):
            strip = slot // LANES * LANES * padded(head_dim)
            store_words(keys, strip + part * LANES + slot % LANES, LANES, vector)

        return floats

    def halves(keys, slot, part, head_dim, vector):
        strip = slot // LANES * LANES * padded(head_dim)
        store_words(keys, strip + part * LANES + slot % LANES * PAIR, LANES * PAIR, to_bf16(vector))

    return halves


@overload(put_value)
def _put_value(values, slot, part, width, vector):
    if values.dtype == types.float32:
        return lambda values, slot, part, width, vector: store(values, slot * width + part, vector)

    return lambda values, slot, part, width, vector: store_half_of_pairs(
        values, slot // PAIR * width * PAIR + part * PAIR, slot % PAIR, to_bf16(vector)
    )


@overload(query_for)
def _query_for(queries, at, head_dim, bits):
    if bits.dtype == types.float32:
        return lambda queries, at, head_dim, bits: queries.reshape(-1)[at : at + head_dim]

    def halves(queries, at, head_dim, bits):
        for part in range(0, head_dim, LANES):
            store(bits, part, to_bf16(load(queries, at + part)))
        return bits

    return halves


@overload(score_strip)
def _score_strip(keys, strip, query, head_dim):
    if keys.dtype == types.float32:
        return _score_strip_f32
    return _score_strip_bf16


def _score_strip_f32(keys, strip, query, head_dim):
    start, whole = strip * LANES * padded(head_dim), head_dim - head_dim % 4
    a = b = c = d = splat(ZERO)
    for i in range(0, whole, 4):
        at = start + i * LANES
        a = fma(splat(query[i]), load(keys, at), a)
        b = fma(splat(query[i + 1]), load(keys, at + LANES), b)
        c = fma(splat(query[i + 2]), load(keys, at + 2 * LANES), c)
        d = fma(splat(query[i + 3]), load(keys, at + 3 * LANES), d)
    for i in range(whole, head_dim):
        a = fma(splat(query[i]), load(keys, start + i * LANES), a)
    return add(add(a, b), add(c, d))


def _score_strip_bf16(keys, strip, query, head_dim):
    pairs = pairs_of(head_dim)
    start, step = strip * LANES * padded(head_dim), LANES * PAIR
    a = b = rows_of(1, splat(ZERO))
    for i in range(0, pairs - 1, 2):
        a = dot_bf16_rows(a, query, i * PAIR, load(keys, start + i * step))
        b = dot_bf16_rows(b, query, (i + 1) * PAIR, load(keys, start + (i + 1) * step))
    if pairs % 2:
        a = dot_bf16_rows(a, query, (pairs - 1) * PAIR, load(keys, start + (pairs - 1) * step))
    return add(a[0], b[0])


@overload(weights_for)
def _weights_for(weights, first, last, bits):
    if bits.dtype == types.float32:
        return lambda weights, first, last, bits: weights

    def halves(weights, first, last, bits):
        for t in range(first, last, LANES):
            store(bits, t, to_bf16(load(weights, t)))
        return bits

    return halves


@overload(mix_part)
def _mix_part(values, weights, first, last, part, width):
    if values.dtype == types.float32:
        return _mix_part_f32
    return _mix_part_bf16


def _mix_part_f32(values, weights, first, last, part, width):
    whole = first + (last - first) // 4 * 4
    a = b = c = d = splat(ZERO)
    for t in range(first, whole, 4):
        at = t * width + part
        a = fma(splat(weights[t]), load(values, at), a)
        b = fma(splat(weights[t + 1]), load(values, at + width), b)
        c = fma(splat(weights[t + 2]), load(values, at + 2 * width), c)
        d = fma(splat(weights[t + 3]), load(values, at + 3 * width), d)
    for t in range(whole, last):
        a = fma(splat(weights[t]), load(values, t * width + part), a)
    return add(add(a, b), add(c, d))


def _mix_part_bf16(values, weights, first, last, part, width):
    # Whole pairs: of one that is half outside, the other weight is 0.
    pair, end, step = first // PAIR, (last + 1) // PAIR, width * PAIR
    a = b = rows_of(1, splat(ZERO))
    while pair + 1 < end:
        at = pair * step + part * PAIR
        a = dot_bf16_rows(a, weights, pair * PAIR, load(values, at))
        b = dot_bf16_rows(b, weights, (pair + 1) * PAIR, load(values, at + step))
        pair += 2
    if pair < end:
        a = dot_bf16_rows(a, weights, pair * PAIR, load(values, pair * step + part * PAIR))
    return add(a[0], b[0])
