"""Where a step finds things: the words that say what the model is and what to do, and the memory that it works in.

Memory and vectors come as flat arrays, so that a call from Python hands over few; what lies where follows from `shape`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..packed.activations import PANEL
from ..packed.packing import TILE
from .tiles import KEYS_TOGETHER

# Rows of tokens that a step takes at most.
ROWS = 256
# Whole numbers in the spaces of a thread.
PLACES = 4 * TILE
# Tiles of a product that a thread computes before it adds biases and goes on: they stay in its cache.
BLOCK = 4

# What a model is: numbers of layers, heads, and dimensions as they are; those filled up to whole groups or vectors
# (`wide`); numbers of a head's keys, or values, in the cache; whether norms are LayerNorms, the feed-forward is gated
# (SwiGLU, else GELU), and heads are turned (RoPE).
SHAPE = range(15)
(
    LAYERS,
    DIM,
    KV_HEADS,
    HEADS_PER_KEY,
    HEAD_DIM,
    VOCAB_SIZE,
    CONTEXT,
    WIDE_DIM,
    WIDE_HEAD,
    WIDE_QUERIES,
    WIDE_FFN,
    HEAD_SIZE,
    CENTRED,
    GATED,
    TURNED,
) = SHAPE

# What a step is to do: how many texts, tokens of each, the slot of the first one; where the cache lies, how many texts
# it has, and the first of these; whether logits are wanted, and whether cycles are counted. LOGITS is the step's own.
ORDERS = range(11)
TEXTS, TOKENS, START, KEYS, VALUES, PADDING, BATCH, FIRST_TEXT, WANTED, TIMED, LOGITS = ORDERS


class Rows(NamedTuple):
    """What all threads share, a row for each token."""

    x: np.ndarray
    qkv: np.ndarray
    mixed: np.ndarray
    hidden: np.ndarray


class Spaces(NamedTuple):
    """What a thread has to itself."""

    normed: np.ndarray
    block: np.ndarray
    scores: np.ndarray
    tile: np.ndarray
    mixed: np.ndarray
    bits: np.ndarray
    queries: np.ndarray
    results: np.ndarray


class Vectors(NamedTuple):
    """The vectors of a layer; no biases are empty ones. A norm is its gain and its bias."""

    attention_norm: np.ndarray
    feed_forward_norm: np.ndarray
    qkv_bias: np.ndarray
    out_bias: np.ndarray
    inner_bias: np.ndarray
    outer_bias: np.ndarray


@njit
def qkv_columns(shape):
    return shape[KV_HEADS] * (shape[HEADS_PER_KEY] + 2) * shape[WIDE_HEAD]


@njit
def inner_columns(shape):
    return shape[WIDE_FFN] * (2 if shape[GATED] else 1)


@njit
def rows_in(memory, shape):
    """The rows, at the beginning of the memory."""
    x = ROWS * shape[WIDE_DIM]
    qkv = x + ROWS * qkv_columns(shape)
    mixed = qkv + ROWS * shape[WIDE_QUERIES]
    hidden = mixed + ROWS * shape[WIDE_FFN]
    return Rows(
        memory[:x].reshape((ROWS, shape[WIDE_DIM])),
        memory[x:qkv].reshape((ROWS, qkv_columns(shape))),
        memory[qkv:mixed].reshape((ROWS, shape[WIDE_QUERIES])),
        memory[mixed:hidden].reshape((ROWS, shape[WIDE_FFN])),
    )


@njit
def rows_size(shape):
    return ROWS * (shape[WIDE_DIM] + qkv_columns(shape) + shape[WIDE_QUERIES] + shape[WIDE_FFN])


@njit
def _sizes(shape):
    """Numbers in the spaces of one thread: of float32, and of the cache's dtype."""
    slots = (shape[CONTEXT] + TILE - 1) // TILE * TILE
    scores = max(slots, KEYS_TOGETHER * TILE)
    return PANEL * shape[WIDE_DIM], ROWS * BLOCK * TILE, scores, shape[WIDE_HEAD] * TILE, max(slots, shape[WIDE_HEAD])


@njit
def spaces_size(shape):
    normed, block, scores, tile, _ = _sizes(shape)
    return normed + block + scores + 2 * tile


@njit
def bits_size(shape):
    return _sizes(shape)[4]


@njit
def spaces_in(memory, bits, offsets, shape, rank):
    """Those of thread `rank`, behind the rows."""
    normed, block, scores, tile, slots = _sizes(shape)
    block += normed
    scores += block
    mixed = scores + tile
    end = mixed + tile
    start = rows_size(shape) + rank * end
    own, at = memory[start : start + end], offsets[rank * PLACES : (rank + 1) * PLACES]
    return Spaces(
        own[:normed].reshape((PANEL, shape[WIDE_DIM])),
        own[normed:block].reshape((ROWS, BLOCK * TILE)),
        own[block:scores],
        own[scores:mixed],
        own[mixed:end],
        bits[rank * slots : (rank + 1) * slots],
        at[:TILE],
        at[TILE : 2 * TILE],
    )


@njit
def vectors_in(vectors, layer, shape):
    """The vectors of a layer in its row: two norms, and biases if the row goes on."""
    row, norm = vectors[layer], 2 * shape[WIDE_DIM]
    rest = row[2 * norm :]
    if len(rest) == 0:
        return Vectors(row[:norm], row[norm : 2 * norm], rest, rest, rest, rest)
    out = qkv_columns(shape)
    inner = out + shape[WIDE_DIM]
    outer = inner + inner_columns(shape)
    return Vectors(row[:norm], row[norm : 2 * norm], rest[:out], rest[out:inner], rest[inner:outer], rest[outer:])
