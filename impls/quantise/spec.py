"""float32 to signed bytes with a float32 scale for each 32 of the last axis: to the bit as `quantisation` says."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    return (rng.standard_normal((tokens, dim)).astype(dtype),)


def work(itemsize, tokens, dim):
    # A magnitude, a comparison, a product and a rounding each.
    return Work(flops=4 * tokens * dim, bytes=tokens * dim * (itemsize + 1 + 4 / 32))


def halves(rng, x):
    """Groups whose quotients are exact halves: 127 the largest, the others odd multiples of a half."""
    found = rng.integers(-254, 255, x.shape) / 2.0
    found[..., ::32] = 127.0
    return found


def tiny_groups(rng, x):
    """Down to the subnormal numbers, some groups to both sides of the smallest magnitude that is kept."""
    return x * 2.0 ** rng.integers(-140, -90, (*x.shape[:-1], 1))


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
    ulps={"f32": 0},
    dtypes={"*": ("f32",)},
    edges={
        "halves": halves,
        "tiny groups": tiny_groups,
        "an outlier": lambda rng, x: np.where(np.arange(x.shape[-1]) == 5, 100 * x, x),
    },
)
