"""Greedy decoding's last step: the id of the largest logit, without need of the logits themselves."""

import ml_dtypes
import numpy as np

from kernelgate.kernel import DTYPES, Kernel, Work

from ..products import matrix, normal, size_of_product


def inputs(rng, dtype, batch, dim, vocab_size):
    return normal(rng, dtype, batch, dim), matrix(rng, dtype, vocab_size, dim)


def work(itemsize, batch, dim, vocab_size):
    return Work(flops=2 * batch * dim * vocab_size, bytes=itemsize * (dim * vocab_size + batch * dim) + 4 * batch)


def agrees(ids, hidden, weight):
    """Each id's logit is the largest, or so close to it that logits rounded to the working dtype may say otherwise."""
    logits = hidden @ weight.T
    assert (ids.shape, ids.dtype) == (logits.shape[:1], np.int32), f"gave {ids.dtype}{list(ids.shape)}"
    assert ((ids >= 0) & (ids < len(weight))).all(), f"gave ids {ids}, expected 0 to {len(weight) - 1}"
    rows = np.arange(len(ids))
    # The arguments are given in float64, but hold numbers of the working dtype.
    narrow = all(np.array_equal(array, array.astype(DTYPES["bf16"])) for array in (hidden, weight))
    eps = float(ml_dtypes.finfo(DTYPES["bf16" if narrow else "f32"]).eps)
    size = np.maximum(64 * 2**-23 * size_of_product(hidden, weight).max(axis=-1), eps * np.abs(logits).max(axis=-1))
    given, largest = logits[rows, ids], logits.max(axis=-1)
    assert (largest - given <= size).all(), f"gave ids {ids} with logits {given}, the largest are {largest}"


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
    ulps={},
    agrees=agrees,
    weights=1,
)
