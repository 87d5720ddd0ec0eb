"""Attention of one token to keys and values in pieces, as a ring has two, in NumPy."""

import numpy as np


def attended(q, keys, values):
    """The token's `[batch, heads, head_dim]` against all pieces `[batch, piece, kv_heads, head_dim]` together."""
    (batch, heads, head_dim), kv_heads = q.shape, keys[0].shape[2]
    queries = q.astype(np.float32, copy=False).reshape(batch, kv_heads, -1, head_dim)
    ends = np.cumsum([0, *(piece.shape[1] for piece in keys)])
    scores = np.empty((batch, kv_heads, heads // kv_heads, ends[-1]), np.float32)
    for piece, first, last in zip(keys, ends, ends[1:], strict=False):
        np.matmul(queries, piece.astype(np.float32, copy=False).transpose(0, 2, 3, 1), out=scores[..., first:last])
    scores *= np.float32(head_dim**-0.5)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    pieces = (
        scores[..., first:last] @ piece.astype(np.float32, copy=False).swapaxes(1, 2)
        for piece, first, last in zip(values, ends, ends[1:], strict=False)
    )
    mixed = next(pieces)
    for more in pieces:
        mixed += more
    mixed /= total
    return mixed.reshape(q.shape).astype(q.dtype, copy=False)
