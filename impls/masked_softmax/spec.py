"""What attention does with its scores: scale, add a mask (0, or -inf where a key is hidden), softmax over the keys.

A query that may see no key gets weight 0 everywhere, where the softmax alone would give NaN: so it is with padding.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, heads, queries, keys):
    scores = 8 * rng.standard_normal((heads, queries, keys)).astype(np.float32)
    # Causal, the queries being the last of the keys; now and then the first query is padding.
    positions = np.arange(queries)[:, None] + keys - queries
    hidden = positions < np.arange(keys)
    if queries > 1:
        hidden[0] |= rng.random() < 0.5
    # Beyond hiding, masks carry distances, as in ALiBi (Press, Smith and Lewis 2021, arXiv 2108.12409).
    mask = np.where(hidden, -np.inf, -0.1 * np.abs(positions - np.arange(keys)))
    return scores.astype(dtype), mask.astype(dtype), 0.125


def work(itemsize, heads, queries, keys):
    elements = heads * queries * keys
    # Of what is hidden, only that it is. An exponential is a polynomial of degree 5, with its range reduced before and
    # after; for bf16, 3 do. In float32.
    seen = heads * (queries * keys - queries * (queries - 1) // 2)
    each = 20 if itemsize > 2 else 16
    return Work(flops=each * seen, bytes=itemsize * (2 * elements + queries * keys), arithmetic="f32")


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"heads": 6, "queries": 1, "keys": 256},
        "stories15M-prefill-256": {"heads": 6, "queries": 256, "keys": 256},
        "llama-1B-prefill-256": {"heads": 32, "queries": 256, "keys": 256},
    },
    heavy={
        "gpt2-prefill-256": {"heads": 12, "queries": 256, "keys": 256},
        "stories15M-prefill-64": {"heads": 6, "queries": 64, "keys": 64},
        "gpt2-decode-b1": {"heads": 12, "queries": 1, "keys": 1024},
        "gpt2-prefill-1024": {"heads": 12, "queries": 1024, "keys": 1024},
        "llama-1B-decode-b1": {"heads": 32, "queries": 1, "keys": 1024},
        "llama-1B-prefill-1024": {"heads": 32, "queries": 1024, "keys": 1024},
    },
    # The last is shared among threads.
    domain={"heads": (1, 3), "queries": (1, 5), "keys": (8, 127, 2100)},
    where=lambda heads, queries, keys: (heads, queries) == (3, 5) if keys == 2100 else heads == 1 or queries == 5,
    # An ulp of the exponent is as many of the result as the exponent is large.
    ulps={"f32": 16, "bf16": 1},
    dtypes={"numba": ("f32", "bf16")},
    magnitudes=(1e-6, 1.0, 4.0, 1e30),
)
