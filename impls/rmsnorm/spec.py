"""Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467)."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    activations = rng.standard_normal((tokens, dim)).astype(dtype)
    gain = (1 + 0.1 * rng.standard_normal(dim)).astype(dtype)
    return activations, gain, 1e-5


def work(itemsize, tokens, dim):
    return Work(flops=4 * tokens * dim, bytes=itemsize * (2 * tokens * dim + dim))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048},
    },
    heavy={
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288},
        "stories15M-prefill-64": {"tokens": 64, "dim": 288},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048},
        "llama-1B-prefill-64": {"tokens": 64, "dim": 2048},
        "llama-1B-prefill-1024": {"tokens": 1024, "dim": 2048},
    },
    # The last is shared among threads.
    domain={"tokens": (1, 9), "dim": (1, 8, 127, 7300)},
    where=lambda tokens, dim: dim < 7300 or tokens == 9,
    ulps={"f32": 8, "bf16": 1},
    edges={"an outlier": lambda rng, x: np.where(np.arange(x.shape[-1]) == 0, 100 * x, x)},
    dtypes={"numba": ("f32", "bf16")},
    weights=2,
)
