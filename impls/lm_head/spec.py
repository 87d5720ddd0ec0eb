"""Logits of one position a sequence: the widest product of a decoding step, with the embedding table as its weight."""

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, batch, dim, vocab_size):
    return normal(rng, dtype, batch, dim), matrix(rng, dtype, vocab_size, dim)


def work(itemsize, batch, dim, vocab_size):
    return Work(flops=2 * batch * dim * vocab_size, bytes=itemsize * (dim * vocab_size + batch * (dim + vocab_size)))


# Llama-3.2-1B's table is 1 GB in float32, which the suite does not ask of a machine.
KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"batch": 1, "dim": 288, "vocab_size": 32000},
        "stories15M-decode-b32": {"batch": 32, "dim": 288, "vocab_size": 32000},
    },
    heavy={
        "gpt2-decode-b1": {"batch": 1, "dim": 768, "vocab_size": 50257},
        "gpt2-decode-b32": {"batch": 32, "dim": 768, "vocab_size": 50257},
    },
    domain={"batch": (1, 3, 62), "dim": (1, 65), "vocab_size": (1, 130)},
    ulps={"f32": 32, "bf16": 4},
    scale=lambda result, hidden, weight: size_of_product(hidden, weight),
    weights=1,
)
