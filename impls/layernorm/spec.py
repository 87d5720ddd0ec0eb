"""Layer normalisation over the last axis (Ba, Kiros and Hinton 2016, arXiv 1607.06450), as in GPT-2."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, tokens, dim):
    activations = rng.standard_normal((tokens, dim)).astype(dtype)
    gain = (1 + 0.1 * rng.standard_normal(dim)).astype(dtype)
    bias = (0.1 * rng.standard_normal(dim)).astype(dtype)
    return activations, gain, bias, 1e-5


def work(itemsize, tokens, dim):
    return Work(flops=7 * tokens * dim, bytes=itemsize * (2 * tokens * dim + 2 * dim), arithmetic="f32")


def scale(result, x, gain, bias, eps):
    """What is subtracted, before it is: a mean far from zero takes digits with it."""
    mean = np.mean(x, axis=-1, keepdims=True)
    return (np.abs(x) + np.abs(mean)) / np.sqrt(np.var(x, axis=-1, keepdims=True) + eps) * np.abs(gain) + np.abs(bias)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "gpt2-decode-b1": {"tokens": 1, "dim": 768},
        "gpt2-decode-b32": {"tokens": 32, "dim": 768},
        "gpt2-prefill-256": {"tokens": 256, "dim": 768},
    },
    heavy={
        "gpt2-prefill-64": {"tokens": 64, "dim": 768},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 768},
    },
    # The last is shared among threads.
    domain={"tokens": (1, 9), "dim": (1, 8, 127, 7300)},
    where=lambda tokens, dim: dim < 7300 or tokens == 9,
    ulps={"f32": 16, "bf16": 1},
    scale=scale,
    edges={
        "an outlier": lambda rng, x: np.where(np.arange(x.shape[-1]) == 0, 100 * x, x),
        "far from zero": lambda rng, x: x + 100,
    },
    dtypes={"numba": ("f32", "bf16")},
    weights=3,
)
