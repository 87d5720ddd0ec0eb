"""The filled part of an int8 cache as float32: each byte times the scale of its vector, rounded once."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, heads, positions, head_dim, length):
    cache = rng.integers(-127, 128, (batch, heads, positions, head_dim), np.int8)
    return cache, (rng.uniform(0.5, 2, (batch, heads, positions)) / 127).astype(dtype), length


def work(itemsize, batch, heads, positions, head_dim, length):
    vectors = batch * heads * length
    return Work(flops=vectors * head_dim, bytes=vectors * (head_dim * (1 + itemsize) + 4))


STORIES = {"heads": 6, "head_dim": 48, "positions": 256}
LLAMA = {"heads": 8, "head_dim": 64}

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {**STORIES, "batch": 1, "length": 200},
        "llama-1B-decode-b1": {**LLAMA, "batch": 1, "positions": 2048, "length": 1000},
        "llama-1B-decode-b32": {**LLAMA, "batch": 32, "positions": 256, "length": 200},
    },
    heavy={
        "stories15M-decode-b32": {**STORIES, "batch": 32, "length": 200},
        "GPT-2-decode-b1": {"heads": 12, "head_dim": 64, "positions": 1024, "batch": 1, "length": 1000},
    },
    domain={"batch": (1, 2), "heads": (3,), "positions": (5,), "head_dim": (1, 6), "length": (1, 5)},
    # One rounding: half of the last place.
    ulps={"f32": 0.5},
    dtypes={"*": ("f32",)},
)
