"""Softmax over the last axis; a row of -inf alone is 0 / 0 and so NaN, as in torch and JAX."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, rows, columns):
    return (3 * rng.standard_normal((rows, columns)).astype(dtype),)


def work(itemsize, rows, columns):
    return Work(flops=4 * rows * columns, bytes=2 * itemsize * rows * columns)


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
        "llama-1B-decode-b32": {"rows": 32 * 32, "columns": 1024},
        "logits-b1": {"rows": 1, "columns": 32000},
    },
    domain={"rows": (1, 2, 7), "columns": (1, 8, 127)},
    ulps={"f32": 8, "bf16": 1},
    edges={"masked": _masked, "a row masked whole": _masked_whole},
    magnitudes=(1e-6, 1.0, 30.0, 1e30),
)
