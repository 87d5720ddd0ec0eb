"""Logarithms of the probabilities that logits stand for; a row of -inf alone gives NaN, as in torch and JAX."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, rows, vocab_size):
    return ((3 * rng.standard_normal((rows, vocab_size), np.float32)).astype(dtype),)


def work(itemsize, rows, vocab_size):
    elements = rows * vocab_size
    # An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do. In float32.
    each = 20 if itemsize > 2 else 16
    return Work(flops=each * elements, bytes=2 * itemsize * elements, arithmetic="f32")


def _masked(rng, logits):
    return np.where(rng.random(logits.shape) < 0.5, -np.inf, logits)


def _masked_whole(rng, logits):
    return np.where(np.arange(len(logits))[:, None] == 0, -np.inf, logits)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"rows": 1, "vocab_size": 32000},
        "stories15M-decode-b32": {"rows": 32, "vocab_size": 32000},
        "llama-1B-decode-b1": {"rows": 1, "vocab_size": 128256},
    },
    heavy={
        "gpt2-decode-b1": {"rows": 1, "vocab_size": 50257},
        "stories15M-prefill-64": {"rows": 64, "vocab_size": 32000},
        "gpt2-decode-b32": {"rows": 32, "vocab_size": 50257},
        "llama-1B-decode-b32": {"rows": 32, "vocab_size": 128256},
    },
    # The last is shared among threads.
    domain={"rows": (1, 9), "vocab_size": (1, 8, 127, 2100)},
    where=lambda rows, vocab_size: vocab_size < 2100 or rows == 9,
    ulps={"f32": 4, "bf16": 1},
    edges={"masked": _masked, "a row masked whole": _masked_whole},
    magnitudes=(1e-6, 1.0, 30.0, 1e30),
    dtypes={"numba": ("f32", "bf16")},
)
