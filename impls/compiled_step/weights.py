"""The weights of a model as a step reads them: packed by format, all layers of a kind in one array.

Where an output or an input lies is up to the step, which wants heads next to each other and whole vectors; `Places`
says so, both for packing and for reading back what quantised weights stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from ..packed.packing import (
    GROUP,
    Quantised,
    pack_bf16,
    pack_f32,
    pack_int4,
    pack_int8,
    unpack_int4,
    unpack_int8,
)

Array = np.ndarray
NO_SCALES = np.empty((0, 0, 0), np.uint16)


class Format(NamedTuple):
    """How weights are held: the dtype of parameters, `pack`, and for quantised ones `unpack`; the cache's dtype."""

    parameters: str
    pack: Callable[..., Array | Quantised]
    cache: type
    unpack: Callable[..., Array] | None = None


# A cache in bf16 halves what a step of many texts reads. With weights in bf16 it would be what errs most: logits were
# 8.5e-3 from float64 with it and 7.5e-3 without (relative RMS, stories15M), where quantised ones are off by 3e-2.
FORMATS = {
    "f32": Format("float32", pack_f32, np.float32),
    "bf16": Format("bfloat16", pack_bf16, np.float32),
    "int8": Format("float32", pack_int8, np.uint16, unpack_int8),
    "int4": Format("float32", pack_int4, np.uint16, unpack_int4),
}


class Places(NamedTuple):
    """Where the rows and columns of a matrix lie in a larger one, of `shape`; what is between is 0."""

    rows: Int[Array, " rows"]
    columns: Int[Array, " columns"]
    shape: tuple[int, int]

    def put(self, matrix: Float[Array, "rows columns"]) -> Float[Array, "more_rows more_columns"]:
        if matrix.shape == self.shape and _in_order(self.rows) and _in_order(self.columns):
            return matrix
        larger = np.zeros(self.shape, matrix.dtype)
        larger[self.rows[:, None], self.columns] = matrix
        return larger

    def take(self, larger: Float[Array, "more_rows more_columns"]) -> Float[Array, "rows columns"]:
        return larger[self.rows[:, None], self.columns]


def wide(count: int, multiple: int = GROUP) -> int:
    return -(-count // multiple) * multiple


def _in_order(places: Int[Array, " places"]) -> bool:
    return np.array_equal(places, np.arange(len(places)))


def plain(rows: int, columns: int) -> Places:
    """From the first on, filled up to whole groups."""
    return Places(np.arange(rows), np.arange(columns), (wide(rows), wide(columns)))


def table(rows: int, columns: int) -> Places:
    """The same with no more rows: an embedding or a head, of which none is computed in vain."""
    return Places(np.arange(rows), np.arange(columns), (rows, wide(columns)))


def rounded(
    format_name: str, matrix: Float[Array, "rows columns"], places: Places | None = None
) -> Float32[Array, "rows columns"]:
    """What a quantised format holds of a matrix."""
    form, places = FORMATS[format_name], places or table(*matrix.shape)
    return places.take(form.unpack(form.pack(places.put(matrix)), *places.shape))


def packed(pack: Callable[..., Array | Quantised], matrices: Iterator[Array], count: int) -> tuple[Array, Array]:
    """`count` matrices of one shape packed below each other, and their scales; one is taken at a time."""
    numbers = scales = None
    for at, matrix in enumerate(matrices):
        part = pack(matrix)
        part = part if isinstance(part, Quantised) else Quantised(part, NO_SCALES)
        if count == 1:
            return part
        if numbers is None:
            numbers, scales = (aligned((count * len(array), *array.shape[1:]), array.dtype) for array in part)
        for whole, array in zip((numbers, scales), part, strict=True):
            whole[at * len(array) : (at + 1) * len(array)] = array
    return numbers, scales


def aligned(shape: tuple[int, ...], dtype: type) -> Array:
    """Zeros that begin on a cache line, so that no vector of them lies on two."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)
