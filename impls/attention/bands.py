"""Attention in NumPy by blocks of queries, each against the keys that any of them sees."""

import numpy as np


def attended(q, k, v, block, keys_of):
    """`keys_of(first, last)` gives which keys (a slice, or indices) those queries meet, and which of them each sees."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    group = heads // kv_heads
    # Queries as [batch, kv_heads, seq, group, head_dim], so that a block of positions of all of a group is a matrix.
    queries = q.reshape(batch, seq, kv_heads, group, head_dim).transpose(0, 2, 1, 3, 4)
    keys, values = (np.ascontiguousarray(array.swapaxes(1, 2), np.float32) for array in (k, v))
    result = np.empty((batch, seq, kv_heads, group, head_dim), np.float32)
    factor = np.float32(head_dim**-0.5)
    for first in range(0, seq, block):
        last = min(first + block, seq)
        met, seen = keys_of(first, last)
        rows = (queries[:, :, first:last] * factor).reshape(batch, kv_heads, -1, head_dim)
        scores = rows.astype(np.float32, copy=False) @ keys[:, :, met].swapaxes(2, 3)
        by_position = scores.reshape(batch, kv_heads, last - first, group, -1)
        np.copyto(by_position, np.float32(-np.inf), where=~seen[:, None])
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        total = scores.sum(axis=-1, keepdims=True)
        mixed = scores @ values[:, :, met]
        mixed /= total
        result[:, first:last] = mixed.reshape(batch, kv_heads, last - first, group, head_dim).transpose(0, 2, 1, 3, 4)
    return result.reshape(q.shape).astype(q.dtype, copy=False)
