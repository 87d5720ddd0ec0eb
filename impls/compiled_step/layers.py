"""The parts of a step, each of them done by all threads: embedding, attention, feed-forward, and head."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..packed.blocks import share
from ..packed.packing import GROUP, TILE
from ..simd.cycles import cycles
from ..simd.team import meet
from .attention import Heads, attend_row, attend_rows, put_row
from .formats import embed
from .products import (
    ADDED,
    GELU,
    PLAIN,
    SWIGLU,
    Norm,
    Weight,
    head_product,
    inputs_in,
    prepare,
    prepare_normalised,
    product,
)
from .spaces import (
    CENTRED,
    DIM,
    FIRST_TEXT,
    GATED,
    HEAD_DIM,
    HEADS_PER_KEY,
    KV_HEADS,
    LAYERS,
    START,
    TEXTS,
    TIMED,
    TOKENS,
    TURNED,
    WANTED,
    WIDE_DIM,
    WIDE_FFN,
    WIDE_HEAD,
    vectors_in,
)

# Where cycles went; calls of each part are counted behind them.
EMBEDDING, ATTENTION, FEED_FORWARD, HEAD, PARTS = range(5)


class Weights(NamedTuple):
    """Those of all layers of a kind are one below the other."""

    embedding: Weight
    qkv: Weight
    out: Weight
    inner: Weight
    outer: Weight
    head: Weight


class Cached(NamedTuple):
    """The cache as compiled code sees it."""

    keys: np.ndarray
    values: np.ndarray
    padding: np.ndarray


@njit
def _counted(orders, spent, rank, part, since):
    """Count the cycles since then for a part, if they are wanted; what the clock is now."""
    if rank or not orders[TIMED]:
        return since
    now = cycles()
    spent[part] += now - since
    spent[PARTS + part] += 1
    return now


@njit
def _of_layer(weight, layer, layers):
    numbers, scales = len(weight.numbers) // layers, len(weight.scales) // layers
    last = layer + 1
    return Weight(weight.numbers[layer * numbers : last * numbers], weight.scales[layer * scales : last * scales])


@njit
def _place(row, orders, padding):
    """Of a row of tokens: its text in the cache, its slot, and its position."""
    text, token = divmod(row, orders[TOKENS])
    slot = orders[START] + token
    text += orders[FIRST_TEXT]
    return text, slot, max(slot - padding[text], 0)


@njit
def _embed_rows(thread, orders, shape, weight, positions, padding, ids, x):
    """A share of the columns of all rows."""
    first, last = share(shape[WIDE_DIM] // GROUP, thread.rank, thread.threads)
    first, last = first * GROUP, last * GROUP
    for row in range(orders[TEXTS] * orders[TOKENS]):
        embed(weight.numbers, weight.scales, ids[row], first, last, x, row)
        if not shape[TURNED]:
            _, _, position = _place(row, orders, padding)
            for i in range(first, last):
                x[row, i] += positions[position, i]


@njit
def _attend(thread, orders, shape, layer, positions, cached, rows, spaces):
    """The heads of this thread, which has computed what is in their columns of `qkv`."""
    heads = Heads(shape[HEADS_PER_KEY], shape[HEAD_DIM], shape[WIDE_HEAD])
    tokens, start, padding = orders[TOKENS], orders[START], cached.padding
    first_head, last_head = share(shape[KV_HEADS], thread.rank, thread.threads)
    for row in range(orders[TEXTS] * tokens):
        text, slot, position = _place(row, orders, padding)
        for head in range(first_head, last_head):
            keys, values = cached.keys[layer, text, head], cached.values[layer, text, head]
            put_row(rows.qkv, row, head, slot, position, heads, positions, shape[TURNED], keys, values)
    for here in range(orders[TEXTS]):
        text = orders[FIRST_TEXT] + here
        first, row, end = np.int64(padding[text]), here * tokens, start + tokens
        for head in range(first_head, last_head):
            keys, values = cached.keys[layer, text, head], cached.values[layer, text, head]
            if tokens == 1 and first <= start:
                attend_row(rows.qkv, row, head, start, first, heads, keys, values, spaces, rows.mixed)
            else:
                attend_rows(rows.qkv, row, head, start, end, first, heads, keys, values, spaces, rows.mixed)


@njit
def run(thread, orders, shape, eps, spent, weights, vectors, positions, rows, room, ids, spaces, cached, logits):
    """Rows of tokens through all layers, and the last of each text to logits if they are wanted."""
    layers, x, normed, block = shape[LAYERS], rows.x, spaces.normed, spaces.block
    count, texts, tokens = orders[TEXTS] * orders[TOKENS], orders[TEXTS], orders[TOKENS]
    norm = Norm(shape[DIM], shape[CENTRED], eps)
    inputs = inputs_in(room, weights.qkv, count, normed[0], thread)
    mixed = inputs_in(room, weights.out, count, rows.mixed[0], thread)
    hidden = inputs_in(room, weights.outer, count, rows.hidden[0], thread)
    activation, pairs = (SWIGLU, 2) if shape[GATED] else (GELU, 1)
    first, last = share(shape[KV_HEADS], thread.rank, thread.threads)
    head_tiles = (shape[HEADS_PER_KEY] + 2) * shape[WIDE_HEAD] // TILE
    qkv_tiles = first * head_tiles, last * head_tiles
    out_tiles = share(shape[WIDE_DIM] // TILE, thread.rank, thread.threads)
    first, last = share(shape[WIDE_FFN] // TILE, thread.rank, thread.threads)
    inner_tiles = first * pairs, last * pairs

    clock = cycles()
    _embed_rows(thread, orders, shape, weights.embedding, positions, cached.padding, ids, x)
    meet(thread.team)
    clock = _counted(orders, spent, thread.rank, EMBEDDING, clock)
    for layer in range(layers):
        own = vectors_in(vectors, layer, shape)
        qkv, out = _of_layer(weights.qkv, layer, layers), _of_layer(weights.out, layer, layers)
        prepare_normalised(x, 0, 1, inputs, norm, own.attention_norm, qkv, thread, normed)
        product(inputs, qkv, qkv_tiles, own.qkv_bias, PLAIN, block, rows.qkv)
        _attend(thread, orders, shape, layer, positions, cached, rows, spaces)
        meet(thread.team)
        prepare(rows.mixed, mixed, out, thread)
        product(mixed, out, out_tiles, own.out_bias, ADDED, block, x)
        meet(thread.team)
        clock = _counted(orders, spent, thread.rank, ATTENTION, clock)
        inner, outer = _of_layer(weights.inner, layer, layers), _of_layer(weights.outer, layer, layers)
        prepare_normalised(x, 0, 1, inputs, norm, own.feed_forward_norm, inner, thread, normed)
        product(inputs, inner, inner_tiles, own.inner_bias, activation, block, rows.hidden)
        meet(thread.team)
        prepare(rows.hidden, hidden, outer, thread)
        product(hidden, outer, out_tiles, own.outer_bias, ADDED, block, x)
        meet(thread.team)
        clock = _counted(orders, spent, thread.rank, FEED_FORWARD, clock)
    if orders[WANTED]:
        last_rows = inputs_in(room, weights.head, texts, normed[0], thread)
        gains = vectors_in(vectors, layers, shape).attention_norm
        prepare_normalised(x, tokens - 1, tokens, last_rows, norm, gains, weights.head, thread, normed)
        tiles = share(len(weights.head.numbers), thread.rank, thread.threads)
        head_product(last_rows, weights.head, tiles, block, logits)
        meet(thread.team)
        _counted(orders, spent, thread.rank, HEAD, clock)
