"""Softmax over the last axis; a row of -inf alone is 0 / 0 and so NaN, as in torch and JAX."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, rows, columns):
    return ((3 * rng.standard_normal((rows, columns), np.float32)).astype(dtype),)


def work(itemsize, rows, columns):
    # An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do. In float32.
    each = 20 if itemsize > 2 else 16
    return Work(flops=each * rows * columns, bytes=2 * itemsize * rows * columns, arithmetic="f32")


def _masked(rng, scores):
    return np.where(rng.random(scores.shape) < 0.5, -np.inf, scores)


def _masked_whole(rng, scores):
    return np.where(np.arange(len(scores))[:, None] == 0, -np.inf, scores)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"rows": 6, "columns": 256},
        "stories15M-prefill-256": {"rows": 6 * 256, "columns": 256},
        "logits-b1": {"rows": 1, "columns": 32000},
    },
    heavy={
        "llama-1B-decode-b32": {"rows": 32 * 32, "columns": 1024},
        "stories15M-decode-b32": {"rows": 32 * 6, "columns": 256},
        "gpt2-prefill-1024": {"rows": 12 * 1024, "columns": 1024},
        "llama-1B-decode-b1": {"rows": 32, "columns": 1024},
        "llama-1B-logits-b1": {"rows": 1, "columns": 128256},
        "llama-1B-logits-b32": {"rows": 32, "columns": 128256},
    },
    # The last is shared among threads.
    domain={"rows": (1, 9), "columns": (1, 8, 127, 2100)},
    where=lambda rows, columns: columns < 2100 or rows == 9,
    ulps={"f32": 12, "bf16": 1},
    edges={"masked": _masked, "a row masked whole": _masked_whole},
    magnitudes=(1e-6, 1.0, 30.0, 1e30),
    dtypes={"numba": ("f32", "bf16")},
)
