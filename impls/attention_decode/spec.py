"""Attention of one new token to a cache of keys and values that is filled up to a length: decoding.

The cache has its full context from the start, so that its shape never changes. All texts of a batch are as long.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, drawn, scale


def inputs(rng, dtype, batch, context, length, heads, kv_heads, head_dim):
    cache = (drawn(rng, dtype, batch, context, kv_heads, head_dim) for _ in range(2))
    return drawn(rng, dtype, batch, heads, head_dim), *cache, length


def work(itemsize, batch, context, length, heads, kv_heads, head_dim):
    elements = 2 * batch * (length * kv_heads + heads) * head_dim
    return Work(flops=batch * heads * length * (4 * head_dim + 4), bytes=itemsize * elements)


def filled_scale(result, q, k_cache, v_cache, length):
    seen = np.ones((1, length), bool)
    return scale(seen, q[:, None], k_cache[:, :length], v_cache[:, :length])[:, 0]


def step(model, batch, context, length):
    return {"batch": batch, "context": context, "length": length, **model}


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": step(STORIES_15M, 1, 256, 200),
        "gpt2-decode-b1": step(GPT_2, 1, 1024, 800),
        "llama-1B-decode-b32": step(LLAMA_1B, 32, 256, 200),
    },
    heavy={
        "llama-1B-decode-b1": step(LLAMA_1B, 1, 1024, 1024),
        "stories15M-decode-b32": step(STORIES_15M, 32, 256, 200),
        "gpt2-decode-b32": step(GPT_2, 32, 256, 200),
        "llama-1B-decode-b1-4096": step(LLAMA_1B, 1, 4096, 4000),
    },
    domain={
        "batch": (1, 3),
        "context": (40,),
        "length": (1, 37),
        "heads": (2, 6, 8),
        "kv_heads": (2,),
        "head_dim": (8, 20, 64),
    },
    # Heads by three, and by four of whole vectors, which share keys in another way.
    where=lambda batch, context, length, heads, kv_heads, head_dim: (heads, head_dim) in ((2, 8), (6, 20), (8, 64)),
    ulps={"f32": 8, "bf16": 2},
    scale=filled_scale,
    magnitudes=(1e-6, 1.0, 30.0),
    dtypes={"numba": ("f32", "bf16")},
)
