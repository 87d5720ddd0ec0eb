"""Attention of one token to a cache where query heads share a key head, four by four: each key is loaded once for them.

A vector holds four numbers (bfloat16: pairs) of each of four queries, and is multiplied by the same four of a key: what
is left to sum across lanes is a quarter of it. Values are multiplied by the weights of four queries at a time. Scores
lie as the sums leave them, by 8 keys: two vectors, in either lane 4 * query + key; in float32 these are the first four
keys and the last, in bfloat16 the even ones and the odd, whose weights are then pairs.
"""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from ..simd.arithmetic import add, fma, maximum, multiply
from ..simd.outer import (
    dot_bf16_outer,
    dot_quarters,
    fma_outer,
    in_order,
    load_interleaved,
    load_like,
    quarter_sums,
)
from ..simd.row_access import write
from ..simd.rows import rows_of
from ..simd.starts import start_of
from ..simd.tiles import store_tile
from ..simd.vectors import load, splat, store
from .ahead import AHEAD, ask
from .packing import LANES, aligned_empty
from .softmax import LOG2_E, LOWEST, exp2
from .tile_products import paired

# Queries that are multiplied together, keys whose scores are computed together, and numbers of a value at a time.
QUERIES, KEYS, PART = 4, 8, 64
# Keys after which the sums of the next head get their turn: the heads of a key are neighbours in memory.
TURN = 16


def fits(group, head_dim):
    """Whether heads can be taken this way."""
    return group % QUERIES == 0 and head_dim % PART == 0


@njit
def attend_groups(q, k_cache, v_cache, batch, first_head, last_head, first, count, asked, result):
    """Key heads `first_head` to `last_head` of one text: `count` slots from `first` on, around the end of the ring.

    What comes from memory is `asked` for ahead of its turn.
    """
    heads, head_dim = q.shape[1:]
    context, kv_heads = k_cache.shape[1:3]
    stride, quads = kv_heads * head_dim, heads // kv_heads // QUERIES
    sets = (last_head - first_head) * quads
    before_end = min(count, context - first)
    lengths = (before_end, count - before_end)
    behind = (before_end + KEYS - 1) // KEYS * KEYS
    room = behind + (lengths[1] + KEYS - 1) // KEYS * KEYS
    scores, mixed = aligned_empty(sets * room * QUERIES), aligned_empty(sets * QUERIES * head_dim)
    at = (batch * heads + first_head * quads * QUERIES) * head_dim
    queries = side_by_side(q, at, sets, head_dim)
    base = batch * context * stride + first_head * head_dim
    for piece in range(2):
        start = base + (0 if piece else first) * stride
        to = behind * piece
        score(k_cache, start, stride, lengths[piece], queries, sets, quads, head_dim, asked, scores, to, room)
    addressed, width, line = start_of(v_cache), sets // quads * head_dim, 16 * words_of(v_cache)
    shares = np.empty(sets * QUERIES, np.float32)
    factor = LOG2_E / np.float32(np.sqrt(head_dim))
    for n in range(sets):
        weigh(v_cache, scores, n * room * QUERIES, room, factor, shares, n * QUERIES)
    for i in range(0, sets * QUERIES * head_dim, LANES):
        store(mixed, i, splat(np.float32(0)))
    for piece in range(2):
        start = base + (0 if piece else first) * stride
        for turn in range(0, lengths[piece], TURN):
            end = min(turn + TURN, lengths[piece])
            for n in range(sets):
                if asked and turn + AHEAD < lengths[piece]:
                    ask(addressed, start + (turn + AHEAD) * stride, stride, width, line, TURN, n, sets)
                for part in range(0, head_dim, PART):
                    here, own = start + n // quads * head_dim + part, n * room * QUERIES
                    to = (n * head_dim + part) * QUERIES
                    mix(v_cache, here, stride, turn, end, scores, own, behind * piece, mixed, to)
    for n in range(sets):
        for part in range(0, head_dim, PART):
            for i in range(QUERIES):
                source = (n * head_dim + part) * QUERIES + i * PART
                share = splat(shares[n * QUERIES + i])
                finish(mixed, source, share, result, at + (n * QUERIES + i) * head_dim + part)


@njit
def words_of(array):
    """How many elements are 32 bits."""
    return 4 // array.itemsize


@njit
def side_by_side(q, at, sets, head_dim):
    """Queries from `at` on by fours: four words of each of them after the other."""
    words = head_dim // words_of(q)
    source, result = q.reshape(-1).view(np.float32), aligned_empty(sets * QUERIES * words)
    for row in range(sets * QUERIES):
        begin, to = at // words_of(q) + row * words, row // QUERIES * QUERIES * words + row % QUERIES * 4
        for d in range(0, words, 4):
            for i in range(4):
                result[to + d * QUERIES + i] = source[begin + d + i]
    return result


@njit
def score(keys, base, stride, count, queries, sets, quads, head_dim, asked, scores, at, room):
    """Scores of `count` positions, `stride` apart from `base` on, for each set of four queries, from `at` on."""
    words = words_of(keys)
    addressed, width, line = start_of(keys), sets // quads * head_dim, 16 * words
    # Between a vector's keys, and from the first one's to the second one's.
    step, other = (1, 4) if words == 1 else (2, 1)
    bits, size = queries.view(keys.dtype), QUERIES * head_dim
    last = base + (count - 1) * stride
    for t in range(0, count, KEYS):
        # Behind the last key it is the last again, and hidden below.
        a = base + t * stride
        b, c, d = min(a + step * stride, last), min(a + 2 * step * stride, last), min(a + 3 * step * stride, last)
        e = min(a + other * stride, last)
        f, g = min(e + step * stride, last), min(e + 2 * step * stride, last)
        h = min(e + 3 * step * stride, last)
        for n in range(sets):
            start, query = n // quads * head_dim, n * size
            if asked and t + AHEAD < count:
                ask(addressed, base + (t + AHEAD) * stride, stride, width, line, KEYS, n, sets)
            sums = others = rows_of(4, splat(np.float32(0)))
            for i in range(0, head_dim, 4 * words):
                vector, from_ = load(bits, query + i * QUERIES), start + i
                sums = dot_quarters(sums, keys, a + from_, b + from_, c + from_, d + from_, vector)
                others = dot_quarters(others, keys, e + from_, f + from_, g + from_, h + from_, vector)
            to = (n * room + at + t) * QUERIES
            store(scores, to, quarter_sums(sums))
            store(scores, to + LANES, quarter_sums(others))
            for key in range(count - t, KEYS):
                place = key // 4 * LANES + key % 4 if words == 1 else key % 2 * LANES + key // 2
                for i in range(QUERIES):
                    scores[to + place + i * 4] = LOWEST


@njit
def weigh(values, scores, at, room, factor, shares, to):
    """Scores to what they are over the largest of their query's, as `values` are to meet them; 1 over their sums."""
    top, total = splat(LOWEST), splat(np.float32(0))
    for t in range(at, at + room * QUERIES, LANES):
        top = maximum(load(scores, t), top)
    lanes = np.empty(LANES, np.float32)
    store(lanes, 0, top)
    for i in range(0, LANES, 4):
        lanes[i : i + 4] = -factor * max(max(lanes[i], lanes[i + 1]), max(lanes[i + 2], lanes[i + 3]))
    offset = load(lanes, 0)
    for t in range(at, at + room * QUERIES, 2 * LANES):
        first = exp2(fma(load(scores, t), splat(factor), offset))
        second = exp2(fma(load(scores, t + LANES), splat(factor), offset))
        total = add(total, add(first, second))
        keep(values, scores, at, t, first, second)
    store(lanes, 0, total)
    for i in range(QUERIES):
        shares[to + i] = np.float32(1) / (lanes[4 * i] + lanes[4 * i + 1] + lanes[4 * i + 2] + lanes[4 * i + 3])


def keep(values, scores, at, t, first, second):
    """The weights of 8 keys to where `mix` reads them."""


def mix(values, base, stride, turn, end, weights, own, at, mixed, to):
    """`mixed += weights @ values` of four queries over keys `turn`, a multiple of 16, to `end`, of 64 numbers each."""


def finish(mixed, source, share, result, to):
    """64 mixed numbers times the share, in their order, to the result."""


@overload(keep)
def _keep(values, scores, at, t, first, second):
    if values.dtype == types.float32:

        def kept(values, scores, at, t, first, second):
            store(scores, t, first)
            store(scores, t + LANES, second)

        return kept
    return lambda values, scores, at, t, first, second: store(scores, at + (t - at) // 2, paired(first, second))


@overload(mix)
def _mix(values, base, stride, turn, end, weights, own, at, mixed, to):
    if values.dtype == types.float32:

        def mixed_f32(values, base, stride, turn, end, weights, own, at, mixed, to):
            columns = rows_of(4, splat(np.float32(0)))
            sums = load_like(rows_of(16, splat(np.float32(0))), mixed, to)
            for t in range(turn, end):
                columns = load_like(columns, values, base + t * stride)
                place = own + (at + t) // 4 * LANES + (at + t) % 4
                sums = fma_outer(sums, columns, weights, place, 4)
            store_tile(mixed, to, sums)

        return mixed_f32

    def mixed_bf16(values, base, stride, turn, end, weights, own, at, mixed, to):
        sums = load_like(rows_of(16, splat(np.float32(0))), mixed, to)
        for t in range(turn, end, 2):
            # Behind the last key the last again, whose weight is 0.
            here, there = base + t * stride, base + min(t + 1, end - 1) * stride
            columns = load_interleaved(values, here, there) + load_interleaved(values, here + 32, there + 32)
            place = own + (at + t) // 8 * LANES + (at + t) % 8 // 2
            sums = dot_bf16_outer(sums, columns, weights, place, 4)
        store_tile(mixed, to, sums)

    return mixed_bf16


@overload(finish)
def _finish(mixed, source, share, result, to):
    if result.dtype == types.float32:

        def finished_f32(mixed, source, share, result, to):
            for d in range(0, PART, LANES):
                write(result, to + d, multiply(load(mixed, source + d), share))

        return finished_f32

    def finished_bf16(mixed, source, share, result, to):
        for d in range(0, PART, 2 * LANES):
            first, second = in_order(load(mixed, source + d), load(mixed, source + d + LANES))
            write(result, to + d, multiply(first, share))
            write(result, to + d + LANES, multiply(second, share))

    return finished_bf16
