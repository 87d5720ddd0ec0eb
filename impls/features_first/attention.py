"""Attention over a cache, of heads that lie features first, in buffers made once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float32

from .arrays import empty
from .cache import Cache

Array = np.ndarray
# Queries a block: a block skips the keys behind it, and its scores stay in the L2 cache.
BLOCK = 128


class Attention:
    """The buffers of `batch` rows with `seq` new tokens each: `qkv` goes in, `output` comes out.

    Queries must be scaled already. All queries of a key head lie in one axis of `seq * group`.
    """

    qkv: Float32[Array, "queries_keys_values columns"]
    output: Float32[Array, "queries columns"]

    def __init__(self, config: Any, batch: int, seq: int) -> None:
        columns, group = batch * seq, config.heads // config.kv_heads
        queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.seq, self.group = seq, group
        self.qkv = empty(queries + 2 * keys, columns)
        self.output = empty(queries, columns)
        # Views of the same memory, by head, in the order that cache and products want.
        split = (config.kv_heads, group, config.head_dim, batch, seq)
        self.new_queries = self.qkv[:queries].reshape(split).transpose(3, 0, 2, 4, 1)
        self.new_keys_values = self.qkv[queries:].reshape(2, -1, config.head_dim, batch, seq).transpose(0, 3, 1, 4, 2)
        self.by_head = self.output.reshape(split).transpose(3, 0, 2, 4, 1)
        self.queries = empty(batch, config.kv_heads, config.head_dim, seq * group)
        self.mixed = empty(batch, config.kv_heads, config.head_dim, seq * group)
        self.scores = empty(batch * config.kv_heads * min(seq, BLOCK) * group * config.context)
        self.total = empty(batch, config.kv_heads, 1, min(seq, BLOCK) * group)
        causal = np.tril(np.full((min(seq, BLOCK),) * 2, -np.inf, np.float32), -1)
        self.later = np.repeat(causal, group, axis=1)

    def mix(self, cache: Cache, layer: int) -> None:
        """`output` from `qkv`: append to the layer's cache, and mix the values of the slots so far."""
        keys_values, group = cache.keys_values[layer], self.group
        keys_values[:, :, :, cache.length : cache.length + self.seq] = self.new_keys_values
        self.queries.reshape(self.new_queries.shape)[...] = self.new_queries
        for first in range(0, self.seq, BLOCK):
            last = min(first + BLOCK, self.seq)
            seen = keys_values[:, :, :, : cache.length + last]
            self._mix_block(*seen, cache.hidden, last - first, slice(first * group, last * group))
        self.by_head[...] = self.mixed.reshape(self.new_queries.shape)

    def _mix_block(self, keys: Array, values: Array, hidden: Array | None, block: int, columns: slice) -> None:
        """Attention of the queries in `columns`, which are of the last `block` slots of `keys` and `values`."""
        queries = self.queries[..., columns]
        shape = (*keys.shape[:3], queries.shape[3])
        scores = self.scores[: math.prod(shape)].reshape(shape)
        np.matmul(keys, queries, out=scores)
        if block > 1:
            latest = scores[:, :, -block:]
            np.add(latest, self.later[:block, : latest.shape[3]], out=latest)
        if hidden is not None:
            first = scores[:, :, : hidden.shape[2]]
            np.add(first, hidden[:, :, : first.shape[2]], out=first)
        total = self.total[..., : shape[3]]
        np.maximum.reduce(scores, axis=2, keepdims=True, out=total)
        np.subtract(scores, total, out=scores)
        np.exp(scores, out=scores)
        np.add.reduce(scores, axis=2, keepdims=True, out=total)
        mixed = self.mixed[..., columns]
        np.matmul(values.swapaxes(2, 3), scores, out=mixed)
        np.divide(mixed, total, out=mixed)
