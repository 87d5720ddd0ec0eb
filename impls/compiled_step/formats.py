"""Products of weights in each format, as compiled code sees them: what a weight is there is told by its arrays' types.

A weight is two arrays. float32 ones mean themselves, uint16 ones are bf16, both without scales; uint8 ones hold int8
numbers, or int4 two by two, and scales (`packed.packing`). Several rows of activations are multiplied in panels
(`packed.activations`); a single one as it is, or quantised.

Functions without a body here are overloads: the format at hand picks theirs.
"""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from ..packed.activations import PANEL, panels_bf16, panels_f32, panels_int8
from ..packed.packing import GROUP, INT4_ZERO, INT8_ZERO, TILE
from ..packed.products import product_bf16, product_f32, row_product_bf16, row_product_f32
from ..packed.quantised_products import product_int4, product_int8, row_product_int4, row_product_int8
from ..simd.row_access import widened

# Vectors of integers in a group: of int4 half as many.
INT8_VECTORS = GROUP // 4


def embed(weights, scales, token, first, last, x, row):
    """Row `token` of the weight, inputs `first` to `last` (whole groups), to that row of x."""


def logits_for(weights, rows, columns):
    """Room for logits: of the parameters' dtype, bf16 as its bits."""


def panels_in(room, weights, panels, inputs):
    """The panels of a product in the `room` for them, `(numbers, scales, offsets)`."""


def row_in(room, weights, rank, inputs):
    """The same for the single row of thread `rank`, which only quantised weights want."""


def lay_out(x, weights, first, last, panels):
    """The panels `[first, last)`, of the rows of float32 x."""


def lay_out_row(x, weights, single):
    """The only row of x, where a single row is not multiplied as it is."""


def multiply_panels(panels, weights, scales, result):
    """`result[rows, 16 * tiles]` of all tiles of the weights."""


def multiply_row(row, quantised, weights, scales, result):
    """The same of a single row: float32, or what `lay_out` made of it."""


@njit
def int8_zero(weights):
    """What is added to the integers of quantised weights."""
    return INT8_ZERO if weights.shape[2] == INT8_VECTORS else INT4_ZERO


@overload(embed)
def _embed(weights, scales, token, first, last, x, row):
    return {types.float32: _embed_f32, types.uint16: _embed_bf16, types.uint8: _embed_quantised}[weights.dtype]


def _embed_f32(weights, scales, token, first, last, x, row):
    for i in range(first, last):
        x[row, i] = weights[token // TILE, i, token % TILE]


def _embed_bf16(weights, scales, token, first, last, x, row):
    for i in range(first, last):
        x[row, i] = widened(weights[token // TILE, i // 2, token % TILE, i % 2])


def _embed_quantised(weights, scales, token, first, last, x, row):
    tile, lane = token // TILE, token % TILE
    zero = int8_zero(weights)
    for i in range(first, last):
        group, four = i // GROUP, i % GROUP // 4
        if zero == INT8_ZERO:
            number = np.int32(weights[tile, group, four, lane, i % 4])
        else:
            number = np.int32(weights[tile, group, four // 2, lane, i % 4]) >> np.int32(four % 2 * 4) & np.int32(15)
        x[row, i] = np.float32(number - np.int32(zero)) * widened(scales[tile, group, lane])


@overload(logits_for)
def _logits_for(weights, rows, columns):
    if weights.dtype == types.uint16:
        return lambda weights, rows, columns: np.empty((rows, columns), np.uint16)
    return lambda weights, rows, columns: np.empty((rows, columns), np.float32)


@overload(panels_in)
def _panels_in(room, weights, panels, inputs):
    if weights.dtype == types.float32:
        return lambda room, weights, panels, inputs: (
            room[0][: panels * inputs * PANEL].reshape((panels, inputs, PANEL)),
            room[1],
            room[2],
        )
    if weights.dtype == types.uint16:
        return lambda room, weights, panels, inputs: (
            room[0][: panels * inputs * PANEL].reshape((panels, inputs // 2, PANEL, 2)),
            room[1],
            room[2],
        )
    return lambda room, weights, panels, inputs: _quantised_in(room, 0, panels, PANEL, inputs)


@overload(row_in)
def _row_in(room, weights, rank, inputs):
    if weights.dtype == types.uint8:
        return lambda room, weights, rank, inputs: _quantised_in(room, rank, 1, 1, inputs)
    return lambda room, weights, rank, inputs: None


@njit
def _quantised_in(room, rank, panels, height, inputs):
    integers, scales, offsets = room
    count, groups = panels * height * inputs, panels * height * inputs // GROUP
    # Threads write theirs at the same time: on cache lines of their own.
    at, at_groups = rank * (count + 64), rank * (groups + 32)
    return (
        integers[at : at + count].reshape((panels, inputs // 4, height, 4)),
        scales[at_groups : at_groups + groups].reshape((panels, inputs // GROUP, height)),
        offsets[at_groups : at_groups + groups].reshape((panels, inputs // GROUP, height)),
    )


@overload(lay_out)
def _lay_out(x, weights, first, last, panels):
    if weights.dtype == types.float32:
        return lambda x, weights, first, last, panels: panels_f32(x, 0, last - first, panels[0][first:last])
    if weights.dtype == types.uint16:
        return lambda x, weights, first, last, panels: panels_bf16(x, 0, last - first, panels[0][first:last])

    return lambda x, weights, first, last, panels: _quantise(x, weights, first, last, panels)


@overload(lay_out_row)
def _lay_out_row(x, weights, single):
    if weights.dtype == types.uint8:
        return lambda x, weights, single: _quantise(x, weights, 0, 1, single)
    return lambda x, weights, single: None


@njit
def _quantise(x, weights, first, last, panels):
    integers, scales, offsets = panels
    zero = int8_zero(weights)
    panels_int8(x, zero, 0, last - first, integers[first:last], scales[first:last], offsets[first:last])


@overload(multiply_panels)
def _multiply_panels(panels, weights, scales, result):
    if weights.dtype == types.float32:
        return lambda panels, weights, scales, result: product_f32(panels[0], weights, 0, len(weights), result)
    if weights.dtype == types.uint16:
        return lambda panels, weights, scales, result: product_bf16(panels[0], weights, 0, len(weights), result)

    def quantised(panels, weights, scales, result):
        if weights.shape[2] == INT8_VECTORS:
            product_int8(panels[0], panels[1], panels[2], weights, scales, 0, len(weights), result)
        else:
            product_int4(panels[0], panels[1], panels[2], weights, scales, 0, len(weights), result)

    return quantised


@overload(multiply_row)
def _multiply_row(row, quantised, weights, scales, result):
    if weights.dtype == types.float32:
        return lambda row, quantised, weights, scales, result: row_product_f32(row, weights, 0, len(weights), result)
    if weights.dtype == types.uint16:
        return lambda row, quantised, weights, scales, result: row_product_bf16(row, weights, 0, len(weights), result)

    def multiply(row, quantised, weights, scales, result):
        integers, row_scales, offsets = quantised
        if weights.shape[2] == INT8_VECTORS:
            row_product_int8(integers, row_scales, offsets, weights, scales, 0, len(weights), result)
        else:
            row_product_int4(integers, row_scales, offsets, weights, scales, 0, len(weights), result)

    return multiply
