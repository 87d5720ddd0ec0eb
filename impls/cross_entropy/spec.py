"""How little a model expected each token: minus the logarithm of the probability that its logits give the target.

A target outside the vocabulary is a ValueError; on a device, where ids are not looked at, its loss is NaN.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, rows, vocab_size):
    logits = (3 * rng.standard_normal((rows, vocab_size), np.float32)).astype(dtype)
    return logits, rng.integers(0, vocab_size, rows, np.int32)


def work(itemsize, rows, vocab_size):
    elements = rows * vocab_size
    # An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do. In float32.
    each = 20 if itemsize > 2 else 16
    return Work(flops=each * elements, bytes=itemsize * elements, arithmetic="f32")


def scale(result, logits, targets):
    """An ulp of the sum of exponentials, which is 1 or more, is one of 1 in its logarithm."""
    return 1 + np.abs(result)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"rows": 1, "vocab_size": 32000},
        "stories15M-prefill-64": {"rows": 64, "vocab_size": 32000},
        "llama-1B-decode-b1": {"rows": 1, "vocab_size": 128256},
    },
    heavy={
        "gpt2-prefill-64": {"rows": 64, "vocab_size": 50257},
        "stories15M-prefill-256": {"rows": 256, "vocab_size": 32000},
        "gpt2-prefill-256": {"rows": 256, "vocab_size": 50257},
        "llama-1B-prefill-64": {"rows": 64, "vocab_size": 128256},
    },
    # The last is shared among threads.
    domain={"rows": (1, 9), "vocab_size": (1, 8, 127, 2100)},
    where=lambda rows, vocab_size: vocab_size < 2100 or rows == 9,
    ulps={"f32": 4, "bf16": 1},
    scale=scale,
    magnitudes=(1e-6, 1.0, 30.0, 1e30),
    dtypes={"numba": ("f32", "bf16")},
)
