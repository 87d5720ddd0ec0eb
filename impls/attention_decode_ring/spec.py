"""Attention of one new token to a ring cache: position p lies in slot p % context, and a window of positions is seen.

A window shorter than the ring serves layers of different windows from caches of one shape (Jiang et al. 2023, Mistral,
arXiv 2310.06825).
"""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, drawn, scale


def inputs(rng, dtype, batch, context, length, window, heads, kv_heads, head_dim):
    cache = (drawn(rng, dtype, batch, context, kv_heads, head_dim) for _ in range(2))
    return drawn(rng, dtype, batch, heads, head_dim), *cache, length, window


def work(itemsize, batch, context, length, window, heads, kv_heads, head_dim):
    seen = min(length, window)
    elements = 2 * batch * (seen * kv_heads + heads) * head_dim
    return Work(flops=batch * heads * seen * (4 * head_dim + 4), bytes=itemsize * elements)


def seen_scale(result, q, k_cache, v_cache, length, window):
    slots = np.arange(max(0, length - window), length) % k_cache.shape[1]
    return scale(np.ones((1, len(slots)), bool), q[:, None], k_cache[:, slots], v_cache[:, slots])[:, 0]


def step(model, batch, context, length, window):
    return {"batch": batch, "context": context, "length": length, "window": window, **model}


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": step(STORIES_15M, 1, 256, 300, 256),
        "llama-1B-decode-b1": step(LLAMA_1B, 1, 1024, 1500, 1024),
        "llama-1B-decode-b32": step(LLAMA_1B, 32, 256, 500, 200),
    },
    heavy={"gpt2-decode-b1": step(GPT_2, 1, 1024, 1500, 1024)},
    domain={
        "batch": (1, 3),
        "context": (40,),
        "length": (17, 61),
        "window": (9, 40),
        "heads": (2, 6, 8),
        "kv_heads": (2,),
        "head_dim": (8, 20, 64),
    },
    # Heads by three, and by four of whole vectors, which share keys in another way.
    where=lambda heads, head_dim, **others: (heads, head_dim) in ((2, 8), (6, 20), (8, 64)),
    ulps={"f32": 8, "bf16": 2},
    scale=seen_scale,
    magnitudes=(1e-6, 1.0, 30.0),
    dtypes={"numba": ("f32", "bf16")},
)
