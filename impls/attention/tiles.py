"""Attention by tiles: 16 queries in the lanes of a vector, 16 keys at a time, the softmax online.

A score is computed once and lives in the first-level cache until it is used (Milakov and Gimelshein 2018, arXiv
1805.02867, for the online softmax; Dao et al. 2022, arXiv 2205.14135, for the tiles). Arrays are `batch seq heads
head_dim`, of float32 or of a bfloat16's bits; what differs between these is in `packing` and `tile_products`.

The rows of one key head are its queries by position and then by the query heads that share it, `group` of them: row r
is at position r // group. Positions are in blocks, of which a table lists those that a block of queries sees; without
a table all is one block. The keys of a block are packed from a multiple of 16 on, `span` after those of the last one.
"""

import math

import numpy as np
from numba import get_num_threads, njit, prange

from ..simd.arithmetic import divide, multiply, subtract
from ..simd.row_access import FIRST, as_bits, signatures
from ..simd.vectors import load, splat, store
from .packing import LANES, aligned_empty, load_queries, pack_keys, pack_values, padded, store_results
from .softmax import LOG2_E, LOWEST, exp2, highest, masked
from .tile_products import mix, numbers, score, weigh

# Keys whose scores are held at once: 8 KiB of them.
BLOCK = 128
NO_TABLE = np.empty((0, 0), np.int32)
# How many parts a head has where it is all of one; typed like FIRST.
ALONE = np.int64(1)


@njit
def hide(scores, first, last):
    for t in range(first, last):
        store(scores, t * LANES, splat(np.float32(-np.inf)))


@njit
def settle(given, held, pieces, filled, values, top, total, room):
    """Mix the values of the pieces held; what was mixed before shrinks to the largest scores that there are now."""
    (scores, weights, mixed), width = room, padded(given.shape[3])
    factor = LOG2_E / np.float32(np.sqrt(given.shape[3]))
    found = highest(scores, filled, top)
    if held[0, 0]:
        shrunk = exp2(multiply(subtract(top, found), splat(factor)))
        total = multiply(total, shrunk)
        for at in range(0, width * LANES, LANES):
            store(mixed, at, multiply(load(mixed, at), shrunk))
    total = weigh(given, scores, filled, factor, found, total)
    for i in range(1, pieces + 1):
        mix(weights, held[i, 2], held[i, 1], values, held[i, 0], width, mixed)
    held[0, 0] = 1
    return found, total


@njit
def attend_tile(given, tile, keys, values, listed, own, block, span, tile_rows, seen_alike, held, room):
    """Mix the values of the blocks listed, or else of block `own`, for 16 rows; the sum of the weights of each."""
    (scores, _, mixed), (first_row, rows), (group, window) = room, tile_rows, seen_alike
    low, high = max(0, first_row // group - window + 1), (first_row + rows - 1) // group + 1
    for at in range(0, padded(given.shape[3]) * LANES, LANES):
        store(mixed, at, splat(np.float32(0)))
    top, total = splat(LOWEST), splat(np.float32(0))
    held[0, 0] = pieces = filled = 0
    for turn in range(max(len(listed), 1)):
        seen = listed[turn] if len(listed) else own
        if seen < 0:
            continue
        # Nothing of a block that comes later.
        first, last = max(low, seen * block), min(high, (seen + 1) * block)
        first -= (first - seen * block) % LANES
        while first < last:
            size, key = min(BLOCK - filled, last - first), seen * span + first - seen * block
            for at in range(0, size, LANES):
                score(tile, keys, (key + at) // LANES, given.shape[3], scores, filled + at)
            masked(scores, filled, first, size, first_row, group, window)
            pieces += 1
            held[pieces, 0], held[pieces, 1], held[pieces, 2] = key, size, filled
            first, end = first + size, filled + size
            filled = (end + LANES - 1) // LANES * LANES
            hide(scores, end, filled)
            if filled == BLOCK:
                top, total = settle(given, held, pieces, filled, values, top, total, room)
                pieces = filled = 0
    if filled:
        top, total = settle(given, held, pieces, filled, values, top, total, room)
    return total


@njit
def locate(offsets, tile_rows, base, group, stride, words):
    """The words at which the queries of 16 rows begin; behind the last row it stands in for the others."""
    first_row, rows = tile_rows
    position, member = first_row // group, first_row % group
    for i in range(LANES):
        offsets[i] = base + position * stride + member * words if i < rows else offsets[rows - 1]
        member += 1
        if member == group:
            position, member = position + 1, 0


@njit
def attend_head(q, k, v, table, block, unit, window, part, parts, result):
    """Every `parts`-th tile of the queries of a unit: those of one text that share one key head."""
    (_, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    batch, head = divmod(unit, kv_heads)
    group, width, halves = heads // kv_heads, padded(head_dim), 4 // q.itemsize
    words, blocks, span = head_dim // halves, (seq + block - 1) // block, padded(block)
    packed_keys, packed_values = (
        aligned_empty(blocks * span * padded(words)),
        aligned_empty(blocks * span // halves * width),
    )
    tile, scratch = aligned_empty(padded(words) * LANES), aligned_empty(LANES * LANES)
    scores, mixed = aligned_empty(BLOCK * LANES), aligned_empty(width * LANES)
    room = scores, numbers(q, scores), mixed
    # In row 0 whether anything was settled; then of each piece where its keys are, how many, and where their scores.
    held, offsets = np.empty((1 + BLOCK // LANES, 3), np.int64), np.empty(LANES, np.int64)
    query_words, key_words = _words(q), _words(k)
    for i in range(blocks):
        base, stride = ((batch * seq + i * block) * kv_heads + head) * head_dim, kv_heads * head_dim
        size = min(block, seq - i * block)
        pack_keys(
            key_words, base // halves, stride // halves, size, words, scratch, packed_keys, i * span * padded(words)
        )
        pack_values(v.reshape(-1), base, stride, size, head_dim, packed_values, i * span // halves * width)
    queries, keys, values = numbers(q, tile), numbers(q, packed_keys), numbers(q, packed_values)
    turn, first_query = 0, (batch * seq * heads + head * group) * words
    for own in range(blocks):
        end, listed = min((own + 1) * block, seq) * group, table[own if len(table) else 0 :][:1].reshape(-1)
        for first_row in range(own * block * group, end, LANES):
            turn += 1
            if turn % parts != part:
                continue
            tile_rows, seen_alike = (first_row, min(LANES, end - first_row)), (group, window)
            locate(offsets, tile_rows, first_query, group, heads * words, words)
            load_queries(query_words, offsets, words, scratch, tile)
            total = attend_tile(q, queries, keys, values, listed, own, block, span, tile_rows, seen_alike, held, room)
            share = divide(splat(np.float32(1)), total)
            store_results(mixed, share, offsets, halves, tile_rows[1], head_dim, scratch, result)


@njit(inline="always")
def _words(array):
    """Words of 32 bits, which are as good as what they are made of when they are only moved about."""
    return array.reshape(-1).view(np.float32)


# Below so many products a parallel region costs more than it saves.
PARALLEL_FROM = 200_000


def attend(q, k, v, window):
    """Attention of each position to `window` positions up to itself."""
    window = min(window, q.shape[1])
    return _attended(q, k, v, NO_TABLE, q.shape[1], window, window)


def attend_listed(q, k, v, table, block):
    """Attention of each position to those before it in the blocks listed for its block; ValueError if one is none."""
    seq, blocks = q.shape[1], -(-q.shape[1] // block)
    if len(table) != blocks or not table.size or table.max() >= blocks:
        raise ValueError(
            f"blocks has shape {table.shape} and a largest block of {table.max(initial=-1)}, expected a row for each "
            f"of {blocks} blocks of {block} in {seq} positions, and no block behind these"
        )
    return _attended(q, k, v, np.ascontiguousarray(table, np.int32), block, seq, min(seq, block * table.shape[1]))


def checked(q, k, v):
    """ValueError unless the shapes fit."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    if k.shape != v.shape or k.shape != (batch, seq, kv_heads, head_dim) or heads % kv_heads:
        raise ValueError(
            f"q, k and v have shapes {q.shape}, {k.shape} and {v.shape}, expected (batch, seq, heads, head_dim) and "
            "twice (batch, seq, kv_heads, head_dim), kv_heads a divisor of heads"
        )
    if q.itemsize == 2 and head_dim % 2:
        raise ValueError(f"q has head_dim {head_dim}, expected an even number: pairs are multiplied")


def _attended(q, k, v, table, block, window, seen):
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    checked(q, k, v)
    bits = as_bits(q), as_bits(k), as_bits(v)
    result, threads = np.empty_like(bits[0]), get_num_threads()
    if threads == 1 or batch * heads * seq * seen * head_dim < PARALLEL_FROM:
        _serial(*bits, table, block, window, result)
    else:
        # The fewest parts of a head that give each thread as many; each part packs its keys and values anew.
        parts = threads // math.gcd(batch * kv_heads, threads)
        _parallel(*bits, table, block, window, parts, result)
    return result.view(q.dtype)


_ARRAY = "real[:, :, :, ::1]"
_GIVEN = f"{_ARRAY}, {_ARRAY}, {_ARRAY}, int32[:, ::1], int64, int64"


@njit(signatures(f"({_GIVEN}, {_ARRAY})"), cache=True)
def _serial(q, k, v, table, block, window, result):
    for unit in range(q.shape[0] * k.shape[2]):
        attend_head(q, k, v, table, block, unit, window, FIRST, ALONE, result)


@njit(signatures(f"({_GIVEN}, int64, {_ARRAY})"), parallel=True, cache=True)
def _parallel(q, k, v, table, block, window, parts, result):
    for item in prange(q.shape[0] * k.shape[2] * parts):
        attend_head(q, k, v, table, block, item // parts, window, item % parts, parts, result)
