"""bfloat16 for kernels that compute in float32: Numba knows it by its bits."""

import ml_dtypes
import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from .simd.vectors import load, load_bf16, store

LANES = 16


def _load_wide(array, index):
    """16 numbers as float32, whether given as float32 or as the bits of bfloat16."""


@overload(_load_wide, inline="always")
def _load_wide_of(array, index):
    if array.dtype == types.uint16:
        return lambda array, index: load_bf16(array, index)
    return lambda array, index: load(array, index)


def _one_wide(array, index):
    """One number as float32."""


@overload(_one_wide, inline="always")
def _one_wide_of(array, index):
    if array.dtype == types.uint16:
        return lambda array, index: np.uint32(np.uint32(array.ravel()[index]) << np.uint32(16)).view(np.float32)
    return lambda array, index: array.ravel()[index]


@njit
def widen(source, start, count, result, target):
    """`count` numbers of `source`, float32 or the bits of bfloat16, to float32 `result`; both C-contiguous."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        store(result, target + i, _load_wide(source, start + i))
    flat = result.reshape(-1)
    for i in range(whole, count):
        flat[target + i] = _one_wide(source, start + i)


def float32_rows(x):
    """`x`, float32 or bfloat16, as C-contiguous float32 `[rows, last axis]`."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    if x.dtype != ml_dtypes.bfloat16:
        return rows
    wide = np.empty(rows.shape, np.float32)
    _widen(rows.view(np.uint16), wide)
    return wide


@njit("(uint16[:, ::1], float32[:, ::1])", cache=True)
def _widen(bits, result):
    widen(bits, 0, bits.size, result, 0)
