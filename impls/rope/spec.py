"""Rotary position embedding, half-split as in Hugging Face's Llama (Su et al. 2021, arXiv 2104.09864)."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, seq, heads, head_dim):
    activations = rng.standard_normal((batch, seq, heads, head_dim)).astype(dtype)
    # Positions behind a long prompt, so that every angle has turned.
    frequencies = 10000.0 ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = (1000 + np.arange(seq))[:, None] * frequencies
    return activations, np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def work(itemsize, batch, seq, heads, head_dim):
    elements = batch * seq * heads * head_dim
    return Work(flops=3 * elements, bytes=itemsize * (2 * elements + seq * head_dim))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"batch": 1, "seq": 1, "heads": 6, "head_dim": 48},
        "stories15M-prefill-256": {"batch": 1, "seq": 256, "heads": 6, "head_dim": 48},
        "llama-1B-prefill-256": {"batch": 1, "seq": 256, "heads": 32, "head_dim": 64},
    },
    heavy={
        "llama-1B-decode-b32": {"batch": 32, "seq": 1, "heads": 32, "head_dim": 64},
    },
    domain={"batch": (1, 3), "seq": (1, 2, 7), "heads": (1, 3), "head_dim": (2, 6, 48)},
    ulps={"f32": 4, "bf16": 1},
    dtypes={"numba": ("f32", "bf16")},
)
