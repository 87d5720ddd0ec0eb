"""What the kernels of attention have in common: the shapes of real models, their inputs, and how exact a result can be.

All arrays are `batch seq heads head_dim`, as projections leave them; `kv_heads` divides `heads`, and a key head is
shared by neighbouring query heads (grouped-query attention: Ainslie et al. 2023, arXiv 2305.13245).
"""

import math

import numpy as np

STORIES_15M = {"heads": 6, "kv_heads": 6, "head_dim": 48}
GPT_2 = {"heads": 12, "kv_heads": 12, "head_dim": 64}
LLAMA_1B = {"heads": 32, "kv_heads": 8, "head_dim": 64}


def drawn(rng, dtype, *shape):
    return rng.standard_normal(shape, np.float32).astype(dtype)


def projected(rng, dtype, batch, seq, heads, kv_heads, head_dim):
    """Queries, keys and values."""
    shapes = ((batch, seq, count, head_dim) for count in (heads, kv_heads, kv_heads))
    return tuple(drawn(rng, dtype, *shape) for shape in shapes)


def causal(queries, keys, window=None):
    """Which of the keys each of the last `queries` positions sees: `window` of them up to itself, or all."""
    position = np.arange(keys - queries, keys)[:, None]
    key = np.arange(keys)
    return (key <= position) & (key > position - (window or keys))


def seen_pairs(seq, window):
    """How many keys the positions of a text see in all."""
    window = min(window, seq)
    return window * (window + 1) // 2 + (seq - window) * window


def scale(seen, q, k, v):
    """What the rounding of scores and of the sum leaves uncertain in float32, as a multiple of eps.

    A score that is off by eps times its terms moves its weight by as much.
    """
    repeats = q.shape[2] // k.shape[2]
    q, k, v = (x.swapaxes(1, 2) for x in (q, np.repeat(k, repeats, axis=2), np.repeat(v, repeats, axis=2)))
    factor = 1 / math.sqrt(q.shape[-1])
    scores = np.where(seen, q @ k.swapaxes(2, 3) * factor, -np.inf)
    terms = np.sqrt(np.square(q) @ np.square(k).swapaxes(2, 3)) * factor
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return ((weights * (1 + terms)) @ np.abs(v)).swapaxes(1, 2)
