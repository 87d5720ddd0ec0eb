"""Both products of a tile of 16 queries and some keys, for float32 and for pairs of bfloat16.

Queries lie across lanes, so that both products are chains of `vector * one number of keys or values`: the numbers are
contiguous once keys are transposed by 16. In bfloat16 two neighbours along head_dim are a pair of queries and of keys,
which makes them words that are packed like float32 numbers; two neighbouring keys are a pair of weights and of values.
"""

import numpy as np
from numba.core import types
from numba.extending import intrinsic, overload

from ..simd.arithmetic import add, fma, multiply
from ..simd.rows import dot_bf16_rows, fma_rows, rows_of
from ..simd.tiles import load_tile, store_tile
from ..simd.vectors import F32, I32, constant, expect, llvm_type, load, splat, store
from .packing import LANES, padded
from .softmax import exp2


@intrinsic
def paired(typing, first, second):
    """Two float32 vectors, 0 or more, rounded to bfloat16, in the lower and the upper half of each lane."""
    expect(first == second == F32, "paired", first, second)

    def generate(context, builder, signature, values):
        bits = llvm_type(I32)
        # To the nearest, halves up: of weights, that lie between 0 and 1, nothing more is needed.
        lower, upper = (builder.add(builder.bitcast(value, bits), constant(bits, 0x8000)) for value in values)
        lower = builder.lshr(lower, constant(bits, 16))
        upper = builder.and_(upper, constant(bits, 0xFFFF0000))
        return builder.bitcast(builder.or_(lower, upper), llvm_type(F32))

    return F32(first, second), generate


def numbers(given, words):
    """`words` as the numbers that they hold, of the dtype of `given`: a view, to be taken once, as it costs 50 ns."""


def score(tile, keys, strip, head_dim, scores, at):
    """Scores of 16 keys, the strip of them, to `scores`."""


def weigh(given, scores, count, factor, top, total):
    """Scores of an even number of keys to `2**(factor * (score - top))`; the sum of `total` and these."""


def mix(weights, at, count, values, key, width, mixed):
    """`mixed += values * weights` over `count` keys: from `key` on in values, from `at` on in weights, both even."""


@overload(numbers)
def _numbers(given, words):
    if given.dtype == types.float32:
        return lambda given, words: words
    return lambda given, words: words.view(np.uint16)


@overload(score)
def _score(tile, keys, strip, head_dim, scores, at):
    if keys.dtype == types.float32:

        def score_f32(tile, keys, strip, head_dim, scores, at):
            sums = rows_of(16, splat(np.float32(0)))
            start = strip * padded(head_dim) * LANES
            for d in range(head_dim):
                sums = fma_rows(sums, keys, start + d * LANES, load(tile, d * LANES))
            store_tile(scores, at * LANES, sums)

        return score_f32

    def score_bf16(tile, keys, strip, head_dim, scores, at):
        sums = rows_of(16, splat(np.float32(0)))
        start = strip * padded(head_dim // 2) * LANES
        for pair in range(head_dim // 2):
            sums = dot_bf16_rows(sums, keys, 2 * (start + pair * LANES), load(tile, 2 * pair * LANES))
        store_tile(scores, at * LANES, sums)

    return score_bf16


@overload(weigh)
def _weigh(given, scores, count, factor, top, total):
    narrow = given.dtype != types.float32

    def weighed(given, scores, count, factor, top, total):
        offset = multiply(top, splat(-factor))
        even = odd = splat(np.float32(0))
        for t in range(0, count, 2):
            first = exp2(fma(load(scores, t * LANES), splat(factor), offset))
            second = exp2(fma(load(scores, (t + 1) * LANES), splat(factor), offset))
            even, odd = add(even, first), add(odd, second)
            if narrow:
                store(scores, t // 2 * LANES, paired(first, second))
            else:
                store(scores, t * LANES, first)
                store(scores, (t + 1) * LANES, second)
        return add(total, add(even, odd))

    return weighed


@overload(mix)
def _mix(weights, at, count, values, key, width, mixed):
    if values.dtype == types.float32:

        def mix_f32(weights, at, count, values, key, width, mixed):
            for part in range(0, width, LANES):
                sums = load_tile(mixed, part * LANES)
                for t in range(count):
                    sums = fma_rows(sums, values, (key + t) * width + part, load(weights, (at + t) * LANES))
                store_tile(mixed, part * LANES, sums)

        return mix_f32

    def mix_bf16(weights, at, count, values, key, width, mixed):
        for part in range(0, width, LANES):
            sums = load_tile(mixed, part * LANES)
            for pair in range((count + 1) // 2):
                start = 2 * ((key // 2 + pair) * width + part)
                sums = dot_bf16_rows(sums, values, start, load(weights, 2 * (at // 2 + pair) * LANES))
            store_tile(mixed, part * LANES, sums)

    return mix_bf16
