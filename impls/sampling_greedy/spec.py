"""The likeliest token of each row of logits, the first of several."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, vocab_size):
    return ((3 * rng.standard_normal((batch, vocab_size))).astype(dtype),)


def work(itemsize, batch, vocab_size):
    return Work(flops=batch * vocab_size, bytes=itemsize * batch * vocab_size + 4 * batch)


CASES = {
    "stories15M-decode-b1": {"batch": 1, "vocab_size": 32000},
    "gpt2-decode-b1": {"batch": 1, "vocab_size": 50257},
    "llama-1B-decode-b1": {"batch": 1, "vocab_size": 128256},
}
# A full sort of 32 rows takes the references 0.1 s.
HEAVY = {
    "stories15M-decode-b32": {"batch": 32, "vocab_size": 32000},
    "gpt2-decode-b32": {"batch": 32, "vocab_size": 50257},
    "llama-1B-decode-b32": {"batch": 32, "vocab_size": 128256},
}
MAGNITUDES = (1e-3, 1.0, 30.0)


def masked(rng, logits):
    """Half of the tokens forbidden, but never all of a row."""
    forbidden = rng.random(logits.shape) < 0.5
    forbidden[:, rng.integers(logits.shape[-1])] = False
    return np.where(forbidden, -np.inf, logits)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases=CASES,
    heavy=HEAVY,
    domain={"batch": (1, 2, 7), "vocab_size": (1, 8, 1000)},
    ulps={"f32": 0, "bf16": 0},
    edges={"masked": masked},
    magnitudes=MAGNITUDES,
    dtypes={"numba": ("f32", "bf16")},
)
