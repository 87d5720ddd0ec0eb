"""One step of a whole model, compiled: rows of tokens through all layers to the logits, with no Python between.

`step` is what each thread of a team runs (`simd.team`). The threads share the outputs of each product, and meet before
what others wrote is read: four times a layer, and as often again where rows are laid out in panels. No memory is taken
but that of the logits.

One form serves Llama and GPT-2 (`shape` says what differs) and all formats of weights (`formats`).
"""

from numba import njit

from ..simd.team import meet, next_step, threads_of
from .formats import logits_for
from .layers import Cached, Weights, run
from .memory import array_at, borrowed
from .products import Thread, Weight
from .spaces import (
    BATCH,
    HEAD_SIZE,
    KEYS,
    KV_HEADS,
    LAYERS,
    LOGITS,
    PADDING,
    TEXTS,
    VALUES,
    VOCAB_SIZE,
    WANTED,
    rows_in,
    spaces_in,
)


@njit
def _weight(numbers, scales):
    return Weight(borrowed(numbers), borrowed(scales))


# One by one, since of arrays in tuples Numba looks up the types anew at each call.
@njit(nogil=True, cache=True)
def step(
    team,
    rank,
    orders,
    shape,
    eps,
    spent,
    embedding,
    embedding_scales,
    qkv,
    qkv_scales,
    out,
    out_scales,
    inner,
    inner_scales,
    outer,
    outer_scales,
    head,
    head_scales,
    vectors,
    positions,
    memory,
    numbers,
    number_scales,
    offsets,
    ids,
    bits,
    places,
):
    """As thread 0, one step, and its logits; as another, step after step until the team is dissolved."""
    thread = Thread(borrowed(team), rank, threads_of(team))
    weights = Weights(
        _weight(embedding, embedding_scales),
        _weight(qkv, qkv_scales),
        _weight(out, out_scales),
        _weight(inner, inner_scales),
        _weight(outer, outer_scales),
        _weight(head, head_scales),
    )
    vectors, positions, ids = borrowed(vectors), borrowed(positions), borrowed(ids)
    room = borrowed(numbers), borrowed(number_scales), borrowed(offsets)
    rows = rows_in(borrowed(memory), shape)
    spaces = spaces_in(borrowed(memory), borrowed(bits), borrowed(places), shape, rank)
    # Before the steps: another thread that allocates between two of them does so while Python does as it likes.
    logits = logits_for(head, orders[TEXTS] if orders[WANTED] and rank == 0 else 0, shape[VOCAB_SIZE])
    while True:
        if rank == 0:
            orders[LOGITS] = logits.ctypes.data
            meet(team)
        elif not next_step(team):
            return logits
        cache_shape = shape[LAYERS], orders[BATCH], shape[KV_HEADS], shape[HEAD_SIZE]
        cached = Cached(
            array_at(orders[KEYS], cache_shape, bits),
            array_at(orders[VALUES], cache_shape, bits),
            array_at(orders[PADDING], (orders[BATCH],), ids),
        )
        shared = array_at(orders[LOGITS], (orders[TEXTS], shape[VOCAB_SIZE]), logits)
        run(thread, orders, shape, eps, spent, weights, vectors, positions, rows, room, ids, spaces, cached, shared)
        meet(team)
        if rank == 0:
            return logits
