"""The keys and values of new tokens, quantised and written into an int8 cache with float32 scales.

The bytes and scales are those of `quantisation`, with each vector of a head as a group.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, heads, positions, seq, head_dim, position):
    def cache():
        return rng.integers(-127, 128, (batch, heads, positions, head_dim), np.int8)

    def scales():
        return (rng.uniform(0.5, 2, (batch, heads, positions)) / 127).astype(dtype)

    def new():
        # Keys have directions that are much larger than others, and heads differ.
        size = np.exp(rng.standard_normal((batch, heads, 1, 1)))
        return (size * rng.standard_normal((batch, heads, seq, head_dim))).astype(dtype)

    return cache(), cache(), scales(), scales(), new(), new(), position


def work(itemsize, batch, heads, positions, seq, head_dim, position):
    vectors = 2 * batch * heads * seq
    return Work(flops=4 * vectors * head_dim, bytes=vectors * (head_dim * (itemsize + 1) + 4))


STORIES = {"heads": 6, "head_dim": 48, "positions": 256}
GPT_2 = {"heads": 12, "head_dim": 64, "positions": 1024}
LLAMA = {"heads": 8, "head_dim": 64}

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {**STORIES, "batch": 1, "seq": 1, "position": 200},
        "stories15M-prefill-256": {**STORIES, "batch": 1, "seq": 256, "position": 0},
        "llama-1B-prefill-256": {**LLAMA, "batch": 1, "seq": 256, "positions": 2048, "position": 1000},
    },
    heavy={
        "llama-1B-decode-b32": {**LLAMA, "batch": 32, "seq": 1, "positions": 256, "position": 200},
        "GPT-2-decode-b1": {**GPT_2, "batch": 1, "seq": 1, "position": 1000},
        "GPT-2-prefill-1024": {**GPT_2, "batch": 1, "seq": 1024, "position": 0},
        "llama-1B-decode-b1": {**LLAMA, "batch": 1, "seq": 1, "positions": 2048, "position": 1000},
        "llama-1B-prefill-1024": {**LLAMA, "batch": 1, "seq": 1024, "positions": 2048, "position": 512},
    },
    domain={
        "batch": (1, 2),
        "heads": (3,),
        "positions": (5,),
        "seq": (1, 3),
        "head_dim": (1, 6),
        "position": (0, 2, 4),
    },
    where=lambda seq, positions, position, **_: position + seq <= positions,
    ulps={"f32": 0},
    dtypes={"*": ("f32",)},
    mutates=4,
)
