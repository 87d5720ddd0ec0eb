"""What the specs of activation functions share: an array in, one of its shape out, computed in float32."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kernelgate.kernel import Kernel, Work


def activation_function(flops: Mapping[str, int], **own: Any) -> Kernel:
    """The kernel of one; `flops`: those of an element by dtype, `own`: cases, ulps and what else is its own of Kernel.

    An exponential is a polynomial of degree 5, with its range reduced before and after; for bf16, 3 do.
    """

    def work(itemsize, tokens, dim):
        each = flops["f32" if itemsize > 2 else "bf16"]
        return Work(flops=each * tokens * dim, bytes=2 * itemsize * tokens * dim, arithmetic="f32")

    return Kernel(
        inputs=inputs,
        work=work,
        # The last is shared among threads.
        domain={"tokens": (1, 9), "dim": (1, 8, 127, 2100)},
        where=lambda tokens, dim: dim < 2100 or tokens == 9,
        edges={"far below zero": lambda rng, x: -5 * np.abs(x)},
        dtypes={"numba": ("f32", "bf16")},
        **own,
    )


def inputs(rng, dtype, tokens, dim):
    return ((3 * rng.standard_normal((tokens, dim))).astype(dtype),)
