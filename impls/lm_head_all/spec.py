"""Logits of the last position, from the hidden states of a whole prompt: what prefill needs of the widest product.

The textbook projects every position and then takes the last (`*_all`); `*_last` takes the last and projects it. The
work counted is the latter's.
"""

from kernelgate.kernel import Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, batch, tokens, dim, vocab_size):
    return normal(rng, dtype, batch, tokens, dim), matrix(rng, dtype, vocab_size, dim)


def work(itemsize, batch, tokens, dim, vocab_size):
    return Work(flops=2 * batch * dim * vocab_size, bytes=itemsize * (dim * vocab_size + batch * (dim + vocab_size)))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={"stories15M-prefill-64": {"batch": 1, "tokens": 64, "dim": 288, "vocab_size": 32000}},
    heavy={
        "stories15M-prefill-256": {"batch": 1, "tokens": 256, "dim": 288, "vocab_size": 32000},
        "stories15M-prefill-64-b4": {"batch": 4, "tokens": 64, "dim": 288, "vocab_size": 32000},
    },
    domain={"batch": (1, 3), "tokens": (1, 5), "dim": (1, 65), "vocab_size": (1, 130)},
    where=lambda batch, tokens, dim, vocab_size: (batch == 1 or tokens > 1) and (dim > 1 or vocab_size > 1),
    ulps={"f32": 32, "bf16": 4},
    scale=lambda result, hidden, weight: size_of_product(hidden[:, -1], weight),
    weights=1,
)
