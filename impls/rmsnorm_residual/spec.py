"""What a Llama block does between its halves: add to the residual stream, and normalise the sum for the next half."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    x, residual = (rng.standard_normal((tokens, dim)).astype(dtype) for _ in range(2))
    gain = (1 + 0.1 * rng.standard_normal(dim)).astype(dtype)
    return x, residual, gain, 1e-5


def work(itemsize, tokens, dim):
    return Work(flops=5 * tokens * dim, bytes=itemsize * (4 * tokens * dim + dim), arithmetic="f32")


def scale(result, x, residual, gain, eps):
    """What is added, before it is: opposite numbers leave few digits."""
    total, _ = result
    size = np.abs(x) + np.abs(residual)
    return size, size / np.sqrt(np.mean(total * total, axis=-1, keepdims=True) + eps) * np.abs(gain)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 288},
        "stories15M-prefill-256": {"tokens": 256, "dim": 288},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 2048},
    },
    heavy={
        "llama-1B-decode-b32": {"tokens": 32, "dim": 2048},
        "stories15M-decode-b32": {"tokens": 32, "dim": 288},
        "stories15M-prefill-64": {"tokens": 64, "dim": 288},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 2048},
        "llama-1B-prefill-64": {"tokens": 64, "dim": 2048},
        "llama-1B-prefill-1024": {"tokens": 1024, "dim": 2048},
    },
    # The last is shared among threads.
    domain={"tokens": (1, 9), "dim": (1, 8, 127, 7300)},
    where=lambda tokens, dim: dim < 7300 or tokens == 9,
    # In bf16 the sum may be rounded before it is normalised, as in Hugging Face's Llama.
    ulps={"f32": 8, "bf16": 2},
    scale=scale,
    edges={"an outlier": lambda rng, x: np.where(np.arange(x.shape[-1]) == 0, 100 * x, x)},
    dtypes={"numba": ("f32", "bf16")},
    weights=2,
)
