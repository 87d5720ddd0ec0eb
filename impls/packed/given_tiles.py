"""Weights that are quantised already, in the tiles of `packing`: the same integers and the same scales, moved."""

import ml_dtypes
import numpy as np
from jaxtyping import Float, Int8

from ..quantisation import GROUP, check_scales
from .packing import INT4_ZERO, INT8_ZERO, TILE, Quantised

# Inputs that a lane of a vector multiplies at once.
FOUR = 4


def int8_tiles(weight: Int8[np.ndarray, "out dim"], scales: Float[np.ndarray, "out groups"]) -> Quantised:
    """As `packing.pack_int8` lays them out."""
    check_scales("weight", weight, scales)
    return Quantised(_aligned(_in_fours(_raised(weight, INT8_ZERO))), _scale_tiles(scales))


def int4_tiles(weight: Int8[np.ndarray, "out dim"], scales: Float[np.ndarray, "out groups"]) -> Quantised:
    """As `packing.pack_int4` lays them out, of weights -8 to 7: two fours of inputs share their bytes."""
    check_scales("weight", weight, scales)
    fours = _in_fours(_raised(weight, INT4_ZERO))
    return Quantised(_aligned(fours[:, :, 0::2] | fours[:, :, 1::2] << 4), _scale_tiles(scales))


def _raised(weight, zero):
    """`weight + zero` as unsigned bytes, with rows of `zero` up to whole tiles."""
    rows = np.full((-(-len(weight) // TILE) * TILE, weight.shape[1]), zero, np.uint8)
    rows[: len(weight)] = weight.astype(np.int16) + zero
    return rows


def _in_fours(rows):
    """`[tiles, groups, fours, 16, 4]`, the order in which a product reads them."""
    return rows.reshape(-1, TILE, rows.shape[1] // GROUP, GROUP // FOUR, FOUR).transpose(0, 2, 3, 1, 4)


def _scale_tiles(scales):
    out, groups = scales.shape
    rows = np.zeros((-(-out // TILE) * TILE, groups), np.uint16)
    rows[:out] = scales.astype(ml_dtypes.bfloat16).view(np.uint16)
    return _aligned(rows.reshape(-1, TILE, groups).transpose(0, 2, 1))


def _aligned(array):
    """A contiguous copy that begins on a cache line, so that no vector of it lies on two."""
    room = np.empty(array.nbytes + 64, np.uint8)
    first = -room.ctypes.data % 64
    copy = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
