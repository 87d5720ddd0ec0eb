"""Signed bytes and a float32 scale for each 32 of the last axis to float32: `byte * scale`, rounded once."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    quantised = rng.integers(-127, 128, (tokens, dim), np.int8)
    return quantised, (rng.uniform(0.5, 2, (tokens, dim // 32)) / 127).astype(dtype)


def work(itemsize, tokens, dim):
    return Work(flops=tokens * dim, bytes=tokens * dim * (itemsize + 1 + 4 / 32))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288},
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048},
        "llama-1B-weight": {"tokens": 2048, "dim": 2048},
    },
    heavy={
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048},
        "GPT-2-prefill-1024": {"tokens": 1024, "dim": 768},
        "llama-1B-prefill-1024": {"tokens": 1024, "dim": 2048},
        "llama-1B-ffn-weight": {"tokens": 8192, "dim": 2048},
    },
    domain={"tokens": (1, 2, 7), "dim": (32, 96, 288)},
    # One rounding: half of the last place.
    ulps={"f32": 0.5},
    dtypes={"*": ("f32",)},
)
