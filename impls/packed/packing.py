"""Weights `[out, in]` packed once into tiles of 16 outputs, in the order in which a product reads them.

A vector holds what 16 outputs multiply one input with (two bf16 inputs, four int8 ones), so a product is one stream of
weights, and no sum across lanes. Outputs and inputs that fill up the last tile and the last group are zero.

Integers are quantised by groups along `in`, each output with a scale of its own, in bf16: a weight is
`(integer - ZERO) * scale`. They are unsigned, as VNNI wants them; `activations.py` has the other side of the product.
"""

from typing import NamedTuple

import ml_dtypes
import numpy as np
from jaxtyping import Float, Float32, UInt16

TILE = 16
GROUP = 32
INT8_ZERO, INT4_ZERO = 128, 8
# Tiles converted at a time, so that the temporaries of a large matrix stay small.
_AT_ONCE = 64


class Quantised(NamedTuple):
    """Integers of `[tiles, groups, group / 4, 16, 4]` (two to a byte in int4) and bf16 scales `[tiles, groups, 16]`."""

    integers: np.ndarray
    scales: np.ndarray


def pack_f32(weight: Float[np.ndarray, "out inputs"]) -> Float32[np.ndarray, "tiles inputs 16"]:
    """`packed[t, i, o] = weight[16 * t + o, i]`."""
    packed = _aligned((_tiles(weight), weight.shape[1], TILE), np.float32)
    for tiles, part in _parts(weight, 1):
        packed[tiles] = part.transpose(0, 2, 1)
    return packed


def unpack_f32(packed: Float32[np.ndarray, "tiles inputs 16"], out: int) -> Float32[np.ndarray, "out inputs"]:
    """The weights that `pack_f32` was given."""
    return packed.transpose(0, 2, 1).reshape(-1, packed.shape[1])[:out]


def pack_bf16(weight: Float[np.ndarray, "out inputs"]) -> UInt16[np.ndarray, "tiles pairs 16 2"]:
    """`packed[t, p, o, i]` is the bits of `weight[16 * t + o, 2 * p + i]` as bf16."""
    packed = _aligned((_tiles(weight), -(-weight.shape[1] // 2), TILE, 2), np.uint16)
    for tiles, part in _parts(weight, 2):
        pairs = part.astype(ml_dtypes.bfloat16).view(np.uint16).reshape(len(part), TILE, -1, 2)
        packed[tiles] = pairs.transpose(0, 2, 1, 3)
    return packed


def unpack_bf16(
    packed: UInt16[np.ndarray, "tiles pairs 16 2"], out: int, inputs: int
) -> Float32[np.ndarray, "out inputs"]:
    """The weights that `pack_bf16` was given, as it rounded them."""
    rows = np.ascontiguousarray(packed.transpose(0, 2, 1, 3)).reshape(len(packed) * TILE, -1)
    return rows.view(ml_dtypes.bfloat16)[:out, :inputs].astype(np.float32)


def pack_int8(weight: Float[np.ndarray, "out inputs"], group: int = GROUP) -> Quantised:
    """Weights as -127 to 127 times the scale of their group, which is its largest magnitude over 127."""
    packed = _empty(weight, group, 4)
    for tiles, part in _parts(weight, group):
        groups = part.reshape(len(part), TILE, -1, group)
        scales, steps = _rounded_scales(np.abs(groups).max(-1) / np.float32(127))
        integers = np.clip(np.rint(groups / steps[..., None]), -127, 127) + INT8_ZERO
        packed.integers[tiles] = _in_fours(integers.astype(np.uint8))
        packed.scales[tiles] = scales.transpose(0, 2, 1)
    return packed


def unpack_int8(packed: Quantised, out: int, inputs: int) -> Float32[np.ndarray, "out inputs"]:
    """The weights that the integers stand for."""
    return _dequantised(packed.integers, packed.scales, INT8_ZERO)[:out, :inputs]


def pack_int4(weight: Float[np.ndarray, "out inputs"], group: int = GROUP) -> Quantised:
    """Weights as -8 to 7 times the scale of their group, of several scales tried the one of the least squared error.

    The byte of two fours of inputs holds the first in its lower half. A scale may be negative: it lets the weight of
    largest magnitude be -8 whatever its sign (as llama.cpp's Q4_0).
    """
    packed = _empty(weight, group, 8)
    for tiles, part in _parts(weight, group):
        groups = part.reshape(len(part), TILE, -1, group)
        integers, scales = _nearest_int4(groups)
        fours = _in_fours(integers)
        packed.integers[tiles] = fours[:, :, 0::2] | fours[:, :, 1::2] << 4
        packed.scales[tiles] = scales.transpose(0, 2, 1)
    return packed


def unpack_int4(packed: Quantised, out: int, inputs: int) -> Float32[np.ndarray, "out inputs"]:
    """The weights that the integers stand for."""
    integers = np.stack((packed.integers & 15, packed.integers >> 4), axis=3)
    tiles, groups = integers.shape[:2]
    return _dequantised(integers.reshape(tiles, groups, -1, TILE, 4), packed.scales, INT4_ZERO)[:out, :inputs]


def _nearest_int4(groups):
    extreme = np.take_along_axis(groups, np.abs(groups).argmax(-1)[..., None], -1)[..., 0]
    best = None
    for divisor in (-8.0, -7.4, -8.6):
        scales, steps = _rounded_scales(extreme / np.float32(divisor))
        integers = np.clip(np.rint(groups / steps[..., None]), -8, 7)
        error = np.square(integers * steps[..., None] - groups).sum(-1)
        if best is None:
            best = [error, integers, scales]
        else:
            better = error < best[0]
            for kept, tried in zip(best, (error, integers, scales), strict=True):
                kept[better] = tried[better]
    _, integers, scales = best
    return (integers + INT4_ZERO).astype(np.uint8), scales


def _rounded_scales(scales):
    """Scales as the bits of bf16, and as float32 to divide by: 1 where the scale is zero."""
    rounded = scales.astype(ml_dtypes.bfloat16)
    steps = rounded.astype(np.float32)
    return rounded.view(np.uint16), np.where(steps == 0, np.float32(1), steps)


def _in_fours(integers):
    """`[tiles, 16, groups, group]` in the order of the stream."""
    tiles, _, groups, group = integers.shape
    return integers.reshape(tiles, TILE, groups, group // 4, 4).transpose(0, 2, 3, 1, 4)


def _dequantised(integers, scales, zero):
    tiles = len(integers)
    steps = scales.view(ml_dtypes.bfloat16).astype(np.float32)
    weight = (integers.astype(np.float32) - zero) * steps[:, :, None, :, None]
    return weight.transpose(0, 3, 1, 2, 4).reshape(tiles * TILE, -1)


def _empty(weight, group, inputs_of_a_vector):
    if group % 32 or group <= 0:
        raise ValueError(f"group: is {group}, expected a multiple of 32")
    tiles, groups = _tiles(weight), -(-weight.shape[1] // group)
    integers = _aligned((tiles, groups, group // inputs_of_a_vector, TILE, 4), np.uint8)
    return Quantised(integers, _aligned((tiles, groups, TILE), np.uint16))


def _tiles(weight):
    if weight.ndim != 2 or 0 in weight.shape:
        raise ValueError(f"weight: has shape {weight.shape}, expected (out, in), neither 0")
    return -(-weight.shape[0] // TILE)


def _parts(weight, multiple):
    """Slices of tiles, and their weights as float32 `[tiles, 16, in]` with zeros up to a multiple of `multiple`."""
    inputs = weight.shape[1]
    wide = -(-inputs // multiple) * multiple
    for first in range(0, _tiles(weight), _AT_ONCE):
        rows = weight[first * TILE : (first + _AT_ONCE) * TILE]
        tiles = -(-len(rows) // TILE)
        part = np.zeros((tiles * TILE, wide), np.float32)
        part[: len(rows), :inputs] = rows
        yield slice(first, first + tiles), part.reshape(tiles, TILE, wide)


def _aligned(shape, dtype):
    """An array that begins on a cache line, so that no vector of it lies on two."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)
