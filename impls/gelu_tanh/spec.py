"""GELU by its approximation with tanh (Hendrycks and Gimpel 2016, arXiv 1606.08415), the activation of GPT-2."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    return ((3 * rng.standard_normal((tokens, dim))).astype(dtype),)


def work(itemsize, tokens, dim):
    # An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do. In float32.
    each = 22 if itemsize > 2 else 18
    return Work(flops=each * tokens * dim, bytes=2 * itemsize * tokens * dim, arithmetic="f32")


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "gpt2-decode-b1": {"tokens": 1, "dim": 3072},
        "gpt2-decode-b32": {"tokens": 32, "dim": 3072},
        "gpt2-prefill-256": {"tokens": 256, "dim": 3072},
    },
    heavy={
        "gpt2-prefill-64": {"tokens": 64, "dim": 3072},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 3072},
    },
    # The last is shared among threads.
    domain={"tokens": (1, 9), "dim": (1, 8, 127, 2100)},
    where=lambda tokens, dim: dim < 2100 or tokens == 9,
    ulps={"f32": 4, "bf16": 1},
    # The gate, from 0 to 1, is a difference from 1: its error is one of 1, not of the gate.
    scale=lambda result, x: np.abs(x),
    edges={"far below zero": lambda rng, x: -5 * np.abs(x)},
    dtypes={"numba": ("f32", "bf16")},
)
