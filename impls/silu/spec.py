"""SiLU, or swish (Elfwing, Uchibe and Doya 2017, arXiv 1702.03118), the activation of Llama's feed-forward."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    return ((3 * rng.standard_normal((tokens, dim))).astype(dtype),)


def work(itemsize, tokens, dim):
    # An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do. In float32.
    each = 16 if itemsize > 2 else 12
    return Work(flops=each * tokens * dim, bytes=2 * itemsize * tokens * dim, arithmetic="f32")


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 768},
        "stories15M-prefill-256": {"tokens": 256, "dim": 768},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 8192},
    },
    heavy={
        "llama-1B-decode-b32": {"tokens": 32, "dim": 8192},
        "stories15M-decode-b32": {"tokens": 32, "dim": 768},
        "stories15M-prefill-64": {"tokens": 64, "dim": 768},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 8192},
        "llama-1B-prefill-64": {"tokens": 64, "dim": 8192},
        "llama-1B-prefill-1024": {"tokens": 1024, "dim": 8192},
    },
    # The last is shared among threads.
    domain={"tokens": (1, 9), "dim": (1, 8, 127, 2100)},
    where=lambda tokens, dim: dim < 2100 or tokens == 9,
    ulps={"f32": 8, "bf16": 1},
    edges={"far below zero": lambda rng, x: -5 * np.abs(x)},
    dtypes={"numba": ("f32", "bf16")},
)
