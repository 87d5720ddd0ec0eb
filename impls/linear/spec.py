"""A product of activations with a weight `[out, in]`: most of the work of a transformer."""

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, tokens, dim, out_dim):
    return normal(rng, dtype, tokens, dim), matrix(rng, dtype, out_dim, dim)


def work(itemsize, tokens, dim, out_dim):
    return Work(flops=2 * tokens * dim * out_dim, bytes=itemsize * (dim * out_dim + tokens * (dim + out_dim)))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288, "out_dim": 768},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288, "out_dim": 768},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048, "out_dim": 2048},
    },
    heavy={
        "gpt2-decode-b32": {"tokens": 32, "dim": 768, "out_dim": 3072},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288, "out_dim": 768},
        "stories15M-prefill-64": {"tokens": 64, "dim": 288, "out_dim": 768},
        "gpt2-decode-b1": {"tokens": 1, "dim": 768, "out_dim": 3072},
        "gpt2-prefill-256": {"tokens": 256, "dim": 768, "out_dim": 3072},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 768, "out_dim": 3072},
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048, "out_dim": 2048},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048, "out_dim": 2048},
    },
    domain={"tokens": (1, 3, 62), "dim": (1, 65), "out_dim": (1, 130)},
    ulps={"f32": 64, "bf16": 4},
    scale=lambda result, x, weight: size_of_product(x, weight),
    weights=1,
)
