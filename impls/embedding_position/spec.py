"""GPT-2's first step: the embedding of each token plus that of its position, of which the first is `start`.

An id outside the table, or a position beyond the context, is a ValueError; on a device, where values are not looked at,
the row is NaN.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, seq, vocab_size, context, dim):
    ids = rng.integers(0, vocab_size, (batch, seq), np.int32)
    tokens = rng.standard_normal((vocab_size, dim), np.float32).astype(dtype)
    positions = rng.standard_normal((context, dim), np.float32).astype(dtype)
    return ids, int(rng.integers(0, context - seq + 1)), tokens, positions


def work(itemsize, batch, seq, vocab_size, context, dim):
    elements = batch * seq * dim
    return Work(flops=elements, bytes=4 * batch * seq + itemsize * (2 * elements + seq * dim), arithmetic="f32")


def scale(result, ids, start, tokens, positions):
    """What is added, before it is: opposite numbers leave few digits."""
    return np.abs(tokens[ids]) + np.abs(positions[start : start + ids.shape[1]])


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "gpt2-decode-b1": {"batch": 1, "seq": 1, "vocab_size": 50257, "context": 1024, "dim": 768},
        "gpt2-decode-b32": {"batch": 32, "seq": 1, "vocab_size": 50257, "context": 1024, "dim": 768},
        "gpt2-prefill-1024": {"batch": 1, "seq": 1024, "vocab_size": 50257, "context": 1024, "dim": 768},
    },
    heavy={
        "gpt2-prefill-64": {"batch": 1, "seq": 64, "vocab_size": 50257, "context": 1024, "dim": 768},
        "gpt2-prefill-256": {"batch": 1, "seq": 256, "vocab_size": 50257, "context": 1024, "dim": 768},
    },
    # The last is shared among threads.
    domain={"batch": (1, 3), "seq": (1, 7), "vocab_size": (50,), "context": (20,), "dim": (1, 127, 3200)},
    where=lambda batch, seq, vocab_size, context, dim: dim < 3200 or (batch, seq) == (3, 7),
    ulps={"f32": 1, "bf16": 1},
    scale=scale,
    weights=2,
    dtypes={"numba": ("f32", "bf16")},
)
