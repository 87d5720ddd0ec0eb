"""Weights stay bytes: a block of outputs at a time is made float32 in a buffer that stays in the L2 cache, for BLAS."""

import numpy as np
from jaxtyping import Float, Int8

from ..quantisation import GROUP, check_linear, check_scales

# Elements of a block.
BLOCK = 131072


def prepare(weight, scales):
    check_scales("weight", weight, scales)
    return weight, scales.astype(np.float32)


def linear_int8(
    x: Float[np.ndarray, "*batch dim"], weight: Int8[np.ndarray, "out dim"], scales: Float[np.ndarray, "out groups"]
) -> Float[np.ndarray, "*batch out"]:
    """`x @ (weight * scales).T`, each scale for 32 along the sum."""
    check_linear(x, *weight.shape)
    (out, groups), dim = scales.shape, weight.shape[1]
    wide = x.astype(np.float32, copy=False)
    result = np.empty((*x.shape[:-1], out), np.float32)
    step = max(1, BLOCK // dim)
    buffer = np.empty((min(step, out), groups, GROUP), np.float32)
    for first in range(0, out, step):
        block = slice(first, first + step)
        bytes_of = weight[block].reshape(-1, groups, GROUP)
        floats = np.multiply(bytes_of, scales[block, :, None], out=buffer[: len(bytes_of)])
        result[..., block] = wide @ floats.reshape(-1, dim).T
    return result.astype(x.dtype, copy=False)
