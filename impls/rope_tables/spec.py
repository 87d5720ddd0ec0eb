"""Cosine and sine of the angles of rotary position embedding, for any positions (Su et al. 2021, arXiv 2104.09864).

Always float32, and as exact as that: an angle rounded to float32 is off by its own rounding times the position, which
at 100,000 leaves two digits of a cosine.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, seq, head_dim, theta):
    # A text with gaps, far behind a long prompt.
    return np.cumsum(rng.integers(1, 4, seq)).astype(np.int32) + np.int32(100_000), head_dim, theta


def work(itemsize, seq, head_dim, theta):
    # A cosine and a sine by a polynomial each: some 20 operations.
    return Work(flops=20 * seq * head_dim // 2, bytes=4 * (seq + seq * head_dim))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"seq": 1, "head_dim": 48, "theta": 10000.0},
        "llama-1B-decode-b32": {"seq": 32, "head_dim": 64, "theta": 500000.0},
        "llama-1B-prefill-1024": {"seq": 1024, "head_dim": 64, "theta": 500000.0},
    },
    heavy={
        "stories15M-prefill-256": {"seq": 256, "head_dim": 48, "theta": 10000.0},
    },
    # Of fewer frequencies all cosines of a position could be small, and an error of one unit of 1 large beside them.
    domain={"seq": (1, 2, 37), "head_dim": (24, 64), "theta": (10000.0, 500000.0)},
    ulps={"f32": 4},
    dtypes={"*": ("f32",)},
    weights=2,
)
