"""Token embedding: rows of a table by id.

An id outside the table is a ValueError; on a device, where ids are not looked at, its row is NaN.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, tokens, vocab_size, dim):
    ids = rng.integers(0, vocab_size, (batch, tokens), np.int32)
    return ids, rng.standard_normal((vocab_size, dim), np.float32).astype(dtype)


def work(itemsize, batch, tokens, vocab_size, dim):
    return Work(flops=0, bytes=batch * tokens * (4 + 2 * itemsize * dim))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    # Of Llama-3.2-1B's table the first 16384 rows, 128 MB in float32: more than a last cache holds, as the whole is.
    cases={
        "stories15M-decode-b1": {"batch": 1, "tokens": 1, "vocab_size": 32000, "dim": 288},
        "stories15M-prefill-256": {"batch": 1, "tokens": 256, "vocab_size": 32000, "dim": 288},
        "llama-1B-prefill-1024": {"batch": 1, "tokens": 1024, "vocab_size": 16384, "dim": 2048},
    },
    heavy={
        "llama-1B-decode-b32": {"batch": 32, "tokens": 1, "vocab_size": 16384, "dim": 2048},
        "stories15M-decode-b32": {"batch": 32, "tokens": 1, "vocab_size": 32000, "dim": 288},
        "gpt2-prefill-256": {"batch": 1, "tokens": 256, "vocab_size": 50257, "dim": 768},
        "llama-1B-decode-b1": {"batch": 1, "tokens": 1, "vocab_size": 16384, "dim": 2048},
        "llama-1B-prefill-256": {"batch": 1, "tokens": 256, "vocab_size": 16384, "dim": 2048},
    },
    # The last is shared among threads.
    domain={"batch": (1, 3), "tokens": (1, 7), "vocab_size": (50,), "dim": (1, 127, 6400)},
    where=lambda batch, tokens, vocab_size, dim: dim < 6400 or (batch, tokens) == (3, 7),
    # A copy.
    ulps={"f32": 0, "bf16": 0},
    weights=1,
    dtypes={"numba": ("f32", "bf16")},
)
