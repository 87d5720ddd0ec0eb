"""What quantising means here, to the bit, and the checks of quantised arguments.

A group of numbers becomes signed bytes and one float32 scale: the group's largest magnitude divided by 127, which the
byte 127 then stands for (as ggml's Q8_0, with halves to even and scales kept in float32). Every step is one float32
operation, so that all implementations agree bit for bit:

    scale = largest * float32(1 / 127)      a product, because XLA makes one of a division by a constant
    byte  = rint(x * (float32(1) / scale))

A group without a magnitude of 2**-118 is all zeros, scale and bytes: below it subnormal numbers would count, which some
processors take as 0. Of a group that holds a NaN or an infinity, the scale is not finite and the bytes are anything.
"""

import numpy as np
from jaxtyping import Float, Float32, Int8, UInt8

# Numbers that share a scale in weights and activations. A cache has a scale for each vector of a head.
GROUP = 32
# The byte of a group's largest magnitude is 127 in size; -128 is never used.
STEP = np.float32(1 / 127)
SMALLEST = np.float32(2.0**-118)


def quantised_groups(
    x: Float[np.ndarray, "*groups size"],
) -> tuple[Int8[np.ndarray, "*groups size"], Float32[np.ndarray, "*groups"]]:
    """The bytes and the scale of each group, in NumPy."""
    x = x.astype(np.float32, copy=False)
    largest = np.abs(x).max(axis=-1)
    largest[largest < SMALLEST] = 0
    scales = largest * STEP
    inverse = np.zeros_like(scales)
    np.divide(np.float32(1), scales, out=inverse, where=scales != 0)
    with np.errstate(invalid="ignore"):  # a NaN is no number of any byte
        whole = x * inverse[..., None]
        return np.rint(whole, out=whole).astype(np.int8), scales


def grouped(x: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch groups 32"]:
    """The last axis in groups of 32; ValueError if it is no multiple of that."""
    check_groups("x", x)
    return x.reshape(*x.shape[:-1], x.shape[-1] // GROUP, GROUP)


def check_groups(name, array) -> None:
    """ValueError unless the last axis is a multiple of 32."""
    if array.ndim == 0 or array.shape[-1] % GROUP:
        raise ValueError(f"{name} has shape {array.shape}, expected a last axis that is a multiple of {GROUP}")


def check_scales(name, array, scales) -> None:
    """ValueError unless there is a scale for each 32 elements of the last axis."""
    check_groups(name, array)
    expected = (*array.shape[:-1], array.shape[-1] // GROUP)
    if scales.shape != expected:
        raise ValueError(
            f"scales has shape {scales.shape}, expected {expected}: one for each {GROUP} of {name}, {array.shape}"
        )


def unpacked_int4(weight: UInt8[np.ndarray, "out half_dim"]) -> Int8[np.ndarray, "out dim"]:
    """-8 to 7 from two a byte: of each group of 32, byte i holds element i in its low half and i + 16 in its high."""
    pairs = weight.reshape(len(weight), -1, GROUP // 2)
    halves = np.concatenate([pairs & 15, pairs >> 4], axis=-1)
    return halves.astype(np.int8).reshape(len(weight), -1) - np.int8(8)


def packed_int4(weight: Int8[np.ndarray, "out dim"]) -> UInt8[np.ndarray, "out half_dim"]:
    """The inverse of `unpacked_int4`."""
    raised = (weight + 8).astype(np.uint8).reshape(len(weight), -1, 2, GROUP // 2)
    return (raised[:, :, 0] | raised[:, :, 1] << 4).reshape(len(weight), -1)


def dequantised_weight(weight, scales, dtype=np.float32):
    """`weight` int8 `[out, dim]` times its scales `[out, dim / 32]`, in `dtype`."""
    check_scales("weight", weight, scales)
    wide = weight.reshape(*scales.shape, GROUP) * scales.astype(dtype, copy=False)[..., None]
    return wide.reshape(weight.shape)


def check_linear(x, out_dim: int, dim: int) -> None:
    """ValueError unless the activations are as long as the rows of the weights."""
    if x.ndim == 0 or x.shape[-1] != dim:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected a last axis of {dim}: weight is ({out_dim}, {dim})")
