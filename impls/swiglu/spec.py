"""The SwiGLU feed-forward of Llama: `(silu(x Wg) * (x Wu)) Wd` (Shazeer 2020, arXiv 2002.05202)."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, tokens, dim, ffn_dim):
    weights = (matrix(rng, dtype, *shape) for shape in ((ffn_dim, dim), (ffn_dim, dim), (dim, ffn_dim)))
    return normal(rng, dtype, tokens, dim), *weights


def work(itemsize, tokens, dim, ffn_dim):
    return Work(flops=6 * tokens * dim * ffn_dim, bytes=itemsize * (3 * dim * ffn_dim + 2 * tokens * dim))


def scale(result, x, w_gate, w_up, w_down):
    """The size of a result whose terms have random signs: cancellation is no implementation's fault."""
    hidden = size_of_product(x, w_gate) * size_of_product(x, w_up)
    return np.maximum(size_of_product(hidden, w_down), np.abs(result))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288, "ffn_dim": 768},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288, "ffn_dim": 768},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288, "ffn_dim": 768},
    },
    # 200 MB of weights in float32.
    heavy={
        "stories15M-prefill-64": {"tokens": 64, "dim": 288, "ffn_dim": 768},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048, "ffn_dim": 8192},
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048, "ffn_dim": 8192},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048, "ffn_dim": 8192},
    },
    domain={"tokens": (1, 3, 62), "dim": (1, 65), "ffn_dim": (1, 130)},
    ulps={"f32": 32, "bf16": 4},
    scale=scale,
    weights=3,
)
