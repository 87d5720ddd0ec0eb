"""The largest of each group by `reduceat`, which takes half the time of a maximum along so short an axis."""

import numpy as np
from jaxtyping import Float32, Int8

from ..quantisation import GROUP, SMALLEST, STEP, check_groups


def quantise(
    x: Float32[np.ndarray, "*batch dim"],
) -> tuple[Int8[np.ndarray, "*batch dim"], Float32[np.ndarray, "*batch groups"]]:
    """Bytes and their scales, one for each 32 of the last axis: `x` is about `byte * scale`."""
    check_groups("x", x)
    scratch = np.abs(x, order="C")
    largest = np.maximum.reduceat(scratch.reshape(-1), np.arange(0, x.size, GROUP))
    largest[largest < SMALLEST] = 0
    scales = largest * STEP
    inverse = np.zeros_like(scales)
    np.divide(np.float32(1), scales, out=inverse, where=scales != 0)
    groups = scratch.reshape(-1, GROUP)
    with np.errstate(invalid="ignore"):  # a NaN is no number of any byte
        np.multiply(x.reshape(-1, GROUP), inverse[:, None], out=groups)
        quantised = np.rint(scratch, out=scratch).astype(np.int8)
    return quantised, scales.reshape(*x.shape[:-1], x.shape[-1] // GROUP)
