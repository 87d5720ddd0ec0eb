"""The feed-forward of GPT-2: `gelu_tanh(x W1 + b1) W2 + b2` (Radford et al. 2019; Hendrycks and Gimpel 2016)."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, tokens, dim, ffn_dim):
    def bias(length):
        return (0.1 * rng.standard_normal(length)).astype(dtype)

    x, w_in, w_out = normal(rng, dtype, tokens, dim), matrix(rng, dtype, ffn_dim, dim), matrix(rng, dtype, dim, ffn_dim)
    return x, w_in, bias(ffn_dim), w_out, bias(dim)


def work(itemsize, tokens, dim, ffn_dim):
    return Work(
        flops=4 * tokens * dim * ffn_dim, bytes=itemsize * (2 * dim * ffn_dim + 2 * tokens * dim + dim + ffn_dim)
    )


def scale(result, x, w_in, b_in, w_out, b_out):
    """The size of a result whose terms have random signs."""
    hidden = size_of_product(x, w_in) + np.abs(b_in)
    return np.maximum(size_of_product(hidden, w_out) + np.abs(b_out), np.abs(result))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "gpt2-decode-b1": {"tokens": 1, "dim": 768, "ffn_dim": 3072},
        "gpt2-decode-b32": {"tokens": 32, "dim": 768, "ffn_dim": 3072},
        "gpt2-prefill-64": {"tokens": 64, "dim": 768, "ffn_dim": 3072},
    },
    heavy={
        "gpt2-prefill-256": {"tokens": 256, "dim": 768, "ffn_dim": 3072},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 768, "ffn_dim": 3072},
    },
    domain={"tokens": (1, 3, 62), "dim": (1, 65), "ffn_dim": (1, 130)},
    ulps={"f32": 32, "bf16": 4},
    scale=scale,
    weights=4,
)
