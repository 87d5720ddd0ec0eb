"""Attention by tiles as in `attention_tiles`, on bfloat16: both products sum pairs, in float32, in one instruction.

Two neighbours along head_dim are a pair of queries and of keys, so that they are packed like float32 numbers, half as
many; two neighbouring keys are a pair of weights and of values. Arrays are the bits of bfloat16, as uint16.
"""

import numpy as np
from llvmlite import ir
from numba import njit, prange
from numba.core import types
from numba.extending import intrinsic

from ..simd.arithmetic import divide, multiply, to_bf16
from ..simd.rows import dot_bf16_rows, rows_of
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
    splat,
    store,
    store_first,
)
from .packing import LANES, aligned_empty, load_queries, pack_keys, padded
from .tiles import BLOCK, LOG2_E, LOWEST, checked, clear, locate, settle, shared, weigh

WORDS = 2


def attend(q, k, v, window):
    """Attention of each position to `window` positions up to itself; bfloat16 arrays `batch seq heads head_dim`."""
    q, k, v = checked(q, k, v)
    if q.shape[3] % 2:
        raise ValueError(f"q has head_dim {q.shape[3]}, expected an even number: pairs are multiplied")
    bits = (array.view(np.uint16) for array in (q, k, v))
    return shared(_serial, _parallel, *bits, window).view(q.dtype)


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


@intrinsic
def load_paired(typing, array, first, second):
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


@njit
def pack_values(values, base, stride, count, head_dim, packed):
    """Values of one head by pairs of keys, `[key / 2][head_dim][2]`; zeros behind the last key and behind head_dim."""
    width = padded(head_dim)
    whole = head_dim - head_dim % LANES
    bits = packed.view(np.uint16)
    for t in range(0, count, WORDS):
        here, at = base + t * stride, t // WORDS * width
        last = t + 1 == count
        for part in range(0, 0 if last else whole, LANES):
            store(packed, at + part, load_paired(values, here + part, here + stride + part))
        for d in range(0 if last else whole, head_dim):
            bits[WORDS * (at + d)] = values[here + d]
            bits[WORDS * (at + d) + 1] = np.uint16(0) if last else values[here + stride + d]
        for d in range(head_dim, width):
            packed[at + d] = np.float32(0)


@njit
def score(tile, packed, strip, head_dim, scores, at):
    """Scores of 16 keys, the strip of them, to `scores`."""
    sums = rows_of(16, splat(np.float32(0)))
    queries, keys = tile.view(np.uint16), packed.view(np.uint16)
    start = strip * padded(head_dim // WORDS) * LANES
    for pair in range(head_dim // WORDS):
        sums = dot_bf16_rows(sums, keys, WORDS * (start + pair * LANES), load(queries, WORDS * pair * LANES))
    store_tile(scores, at * LANES, sums)


@njit
def weigh_in_pairs(scores, count, factor, top, total):
    """As `weigh`; the weights are left in pairs of keys, in the first half of the scores' memory."""
    total = weigh(scores, count, factor, top, total)
    if count % WORDS:
        store(scores, count * LANES, splat(np.float32(0)))
    for t in range(0, count, WORDS):
        pair = paired(load(scores, t * LANES), load(scores, (t + 1) * LANES))
        store(scores, t // WORDS * LANES, pair)
    return total


@njit
def mix(scores, count, packed, first, width, mixed):
    """`mixed += values * weights` over `count` keys from `first` on, an even number."""
    weights, values = scores.view(np.uint16), packed.view(np.uint16)
    for part in range(0, width, LANES):
        sums = load_tile(mixed, part * LANES)
        for pair in range((count + 1) // WORDS):
            start = WORDS * ((first // WORDS + pair) * width + part)
            sums = dot_bf16_rows(sums, values, start, load(weights, WORDS * pair * LANES))
        store_tile(mixed, part * LANES, sums)


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
            score(tile, keys, (start + at) // LANES, head_dim, scores, at)
        top, total = settle(scores, start, count, first, first_row, group, window, factor, top, total, mixed, width)
        total = weigh_in_pairs(scores, count, factor, top, total)
        mix(scores, count, values, start, width, mixed)
    return total


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
            row = to_bf16(load(scratch, i * LANES))
            if head_dim - part >= LANES:
                store(result, offsets[i] + part, row)
            else:
                store_first(result, offsets[i] + part, row, head_dim - part)


@njit
def attend_head(queries, keys, values, unit, window, part, parts, result):
    """Every `parts`-th tile of the queries of a unit: those of one text that share one key head."""
    (_, seq, heads, head_dim), kv_heads = queries.shape, keys.shape[2]
    batch, head = divmod(unit, kv_heads)
    group, width, pairs = heads // kv_heads, padded(head_dim), head_dim // WORDS
    strips = (seq + LANES - 1) // LANES
    packed_keys = aligned_empty(strips * LANES * padded(pairs))
    packed_values = aligned_empty((seq + 1) // WORDS * width)
    tile, mixed = aligned_empty(padded(pairs) * LANES), aligned_empty(width * LANES)
    scores, scratch = aligned_empty(BLOCK * LANES), aligned_empty(LANES * LANES)
    offsets = np.empty(LANES, np.int64)
    base, stride = (batch * seq * kv_heads + head) * head_dim, kv_heads * head_dim
    # Moved about only, pairs are as good as the float32 numbers whose bits they are.
    query_pairs, key_pairs = queries.reshape(-1).view(np.float32), keys.reshape(-1).view(np.float32)
    pack_keys(key_pairs, base // WORDS, stride // WORDS, 0, seq, pairs, scratch, packed_keys)
    pack_values(values.reshape(-1), base, stride, seq, head_dim, packed_values)
    factor = LOG2_E / np.float32(np.sqrt(head_dim))
    rows = seq * group
    for first_row in range(part * LANES, rows, parts * LANES):
        count = min(LANES, rows - first_row)
        locate(offsets, first_row, count, batch, head, seq, heads, group, head_dim)
        offsets //= WORDS
        load_queries(query_pairs, offsets, pairs, scratch, tile)
        offsets *= WORDS
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


_ARRAY = "uint16[:, :, :, ::1]"


@njit(f"({_ARRAY}, {_ARRAY}, {_ARRAY}, int64, {_ARRAY})", cache=True)
def _serial(q, k, v, window, result):
    for unit in range(q.shape[0] * k.shape[2]):
        attend_head(q, k, v, unit, window, 0, 1, result)


@njit(f"({_ARRAY}, {_ARRAY}, {_ARRAY}, int64, int64, {_ARRAY})", parallel=True, cache=True)
def _parallel(q, k, v, window, parts, result):
    for item in prange(q.shape[0] * k.shape[2] * parts):
        attend_head(q, k, v, item // parts, window, item % parts, parts, result)
