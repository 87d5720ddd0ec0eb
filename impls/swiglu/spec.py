"""The SwiGLU feed-forward of Llama: `(silu(x Wg) * (x Wu)) Wd` (Shazeer 2020, arXiv 2002.05202)."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim, ffn_dim):
    def matrix(rows, columns):
        return (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(dtype)

    activations = rng.standard_normal((tokens, dim)).astype(dtype)
    return activations, matrix(ffn_dim, dim), matrix(ffn_dim, dim), matrix(dim, ffn_dim)


def work(itemsize, tokens, dim, ffn_dim):
    return Work(flops=6 * tokens * dim * ffn_dim, bytes=itemsize * (3 * dim * ffn_dim + 2 * tokens * dim))


def scale(result, x, w_gate, w_up, w_down):
    """The size of a result whose terms have random signs: cancellation is no implementation's fault."""

    def product(left, right):
        return np.sqrt(np.square(left) @ np.square(right).T)

    gate, up = product(x, w_gate), product(x, w_up)
    return np.maximum(product(gate * up, w_down), np.abs(result))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288, "ffn_dim": 768},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288, "ffn_dim": 768},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288, "ffn_dim": 768},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048, "ffn_dim": 8192},
    },
    domain={"tokens": (1, 2, 7), "dim": (1, 8, 65), "ffn_dim": (1, 24, 127)},
    ulps={"f32": 32, "bf16": 2},
    scale=scale,
)
