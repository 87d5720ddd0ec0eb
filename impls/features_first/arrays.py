"""Arrays and products of activations that lie features first, `[features, columns]` with a column for each token.

A product is then `weights @ columns` with weights `[out, in]`: of all forms the one that OpenBLAS packs at least cost.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32

Array = np.ndarray
ALIGNMENT = 64
# Below this size OpenBLAS multiplies a matrix by a vector in one thread, and often at half the rate of dot products.
STREAMED = 1 << 19


def product(weights: Float32[Array, "out in"], columns: Float32[Array, "in columns"], out: Array) -> None:
    """`weights @ columns`."""
    if columns.shape[1] == 1 and weights.size < STREAMED:
        np.vecdot(weights, columns[:, 0], out=out[:, 0])
    else:
        np.matmul(weights, columns, out=out)


def empty(*shape: int) -> Array:
    """A float32 array that begins on a cache line: where one happens to lie moves the time of a step by per cents."""
    size = math.prod(shape) * 4
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(shape)


def aligned(array: Array) -> Array:
    copy = empty(*array.shape)
    copy[...] = array
    return copy
