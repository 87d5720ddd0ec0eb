"""Queries, keys and values of a layer: three products of the same activations, with fewer heads of keys in Llama 3."""

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal


def inputs(rng, dtype, tokens, dim, q_dim, kv_dim):
    return normal(rng, dtype, tokens, dim), *(matrix(rng, dtype, out, dim) for out in (q_dim, kv_dim, kv_dim))


def work(itemsize, tokens, dim, q_dim, kv_dim):
    out = q_dim + 2 * kv_dim
    return Work(flops=2 * tokens * dim * out, bytes=itemsize * (dim * out + tokens * (dim + out)))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288, "q_dim": 288, "kv_dim": 288},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288, "q_dim": 288, "kv_dim": 288},
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048, "q_dim": 2048, "kv_dim": 512},
    },
    heavy={
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048, "q_dim": 2048, "kv_dim": 512},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288, "q_dim": 288, "kv_dim": 288},
        "gpt2-decode-b1": {"tokens": 1, "dim": 768, "q_dim": 768, "kv_dim": 768},
        "gpt2-prefill-256": {"tokens": 256, "dim": 768, "q_dim": 768, "kv_dim": 768},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 768, "q_dim": 768, "kv_dim": 768},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048, "q_dim": 2048, "kv_dim": 512},
    },
    # Of a row of several results the largest is about as large as the terms of each sum, its natural scale.
    domain={"tokens": (1, 3, 62), "dim": (1, 65), "q_dim": (16, 112), "kv_dim": (16,)},
    where=lambda tokens, dim, q_dim, kv_dim: (tokens == 3) == (q_dim == kv_dim),
    ulps={"f32": 32, "bf16": 2},
    weights=3,
)
