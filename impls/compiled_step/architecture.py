"""What a step is told of a model: its sizes, where the rows and columns of its weights lie, and its vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..packed.packing import TILE
from . import spaces
from .weights import Places, packed, plain, table, wide

Array = np.ndarray


class Matrices(NamedTuple):
    """The four products of a layer: matrices `[out, in]`, or where their rows and columns lie."""

    qkv: Any
    out: Any
    inner: Any
    outer: Any


@dataclass(frozen=True)
class Architecture:
    """A model of a kind that the step knows.

    matrices: those of a layer as they are given, by its number.
    vectors:  a row for each layer, and one that begins with the last norm (`spaces.vectors_in`).
    """

    shape: Int[Array, " words"]
    eps: float
    embedding: Float[Array, "vocab_size dim"]
    head: Float[Array, "vocab_size dim"]
    matrices: Callable[[int], Matrices]
    places: Matrices
    vectors: Float[Array, "layers_and_one numbers"]
    positions: Float[Array, "context numbers"]

    def packed(self, pack: Callable[..., Any]) -> list[Array]:
        """All weights and their scales in the order in which a step takes them; a head that is the embedding once."""
        layers = range(int(self.shape[spaces.LAYERS]))
        embedding = pack_one(pack, self.embedding)
        head = embedding if self.head is self.embedding else pack_one(pack, self.head)
        of_layers = [
            packed(pack, (places.put(self.matrices(layer)[kind]) for layer in layers), len(layers))
            for kind, places in enumerate(self.places)
        ]
        return [array for pair in (embedding, *of_layers, head) for array in pair]


def pack_one(pack: Callable[..., Any], matrix: Float[Array, "rows columns"]) -> tuple[Array, Array]:
    return packed(pack, iter([table(*matrix.shape).put(matrix)]), 1)


def shape_of(config: Any, *, centred: bool, gated: bool, turned: bool) -> Int[Array, " words"]:
    """The words of `spaces` for a configuration."""
    width = wide(config.head_dim, TILE)
    head_size = wide(config.context, TILE) * width
    words = {
        spaces.LAYERS: config.layers,
        spaces.DIM: config.dim,
        spaces.KV_HEADS: config.kv_heads,
        spaces.HEADS_PER_KEY: config.heads // config.kv_heads,
        spaces.HEAD_DIM: config.head_dim,
        spaces.VOCAB_SIZE: config.vocab_size,
        spaces.CONTEXT: config.context,
        spaces.WIDE_DIM: wide(config.dim),
        spaces.WIDE_HEAD: width,
        spaces.WIDE_QUERIES: wide(config.heads * width),
        spaces.WIDE_FFN: wide(config.ffn_dim),
        spaces.HEAD_SIZE: head_size,
        spaces.CENTRED: centred,
        spaces.GATED: gated,
        spaces.TURNED: turned,
    }
    return np.array([words[word] for word in spaces.SHAPE], np.int64)


def places_of(config: Any, *, gated: bool, turned: bool) -> Matrices:
    """Where a step wants the rows and columns of a layer's matrices; those of queries, keys and values as one."""
    dim, width = np.arange(config.dim), wide(config.head_dim, TILE)
    queries = _heads(np.arange(config.heads), width, np.arange(config.head_dim))
    hidden = np.arange(config.ffn_dim)
    inner, inner_columns = hidden, wide(config.ffn_dim)
    if gated:
        # Tile by tile in turns.
        gate = hidden // TILE * 2 * TILE + hidden % TILE
        inner, inner_columns = np.concatenate([gate, gate + TILE]), 2 * inner_columns
    qkv_columns = config.kv_heads * (config.heads // config.kv_heads + 2) * width
    return Matrices(
        Places(_qkv_rows(config, width, turned), dim, (qkv_columns, wide(config.dim))),
        Places(dim, queries, (wide(config.dim), wide(config.heads * width))),
        Places(inner, dim, (inner_columns, wide(config.dim))),
        plain(config.dim, config.ffn_dim),
    )


def _qkv_rows(config: Any, width: int, turned: bool) -> Int[Array, " qkv"]:
    """Each key head's queries, its key and its value next to each other, and what RoPE turns together as well."""
    group, half = config.heads // config.kv_heads, config.head_dim // 2
    straight = np.arange(config.head_dim)
    turning = straight % half * 2 + straight // half if turned else straight
    heads, keys = np.arange(config.heads), np.arange(config.kv_heads) * (group + 2)
    return np.concatenate(
        [
            _heads(heads // group * (group + 2) + heads % group, width, turning),
            _heads(keys + group, width, turning),
            _heads(keys + group + 1, width, straight),
        ]
    )


def _heads(heads: Int[Array, " heads"], width: int, within: Int[Array, " head_dim"]) -> Int[Array, " rows"]:
    return (heads[:, None] * width + within).reshape(-1)


def vectors_of(
    config: Any,
    norms: list[Float[Array, "vectors dim"]],
    biases: list[Matrices] | None = None,
    places: Matrices | None = None,
) -> Float[Array, "layers_and_one numbers"]:
    """The rows of `spaces.vectors_in`: of each layer, and at last for the last norm, gain and bias of norms; biases."""
    rows = []
    for layer, vectors in enumerate(norms):
        row = np.zeros((4, wide(config.dim)), np.float32)
        row[: len(vectors), : config.dim] = vectors
        parts = [row.reshape(-1)]
        if biases is not None:
            for place, bias in zip(places, biases[min(layer, config.layers - 1)], strict=True):
                part = np.zeros(place.shape[0], np.float32)
                part[place.rows] = bias
                parts.append(part)
        rows.append(np.concatenate(parts))
    return np.stack(rows)
