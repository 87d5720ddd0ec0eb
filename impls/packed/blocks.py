"""What products of packed weights are made of, for float32 and for bf16: their rows, and blocks of their outputs.

Rows are a matrix of float32, or of bf16 as its bits (`vector_rows.as_rows`), with weights packed for the same dtype.
One row is multiplied in float32, several in panels (`activations`), which are of the weights' dtype.
"""

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import overload

from ..simd.arithmetic import add, fma, horizontal_sum, multiply, to_bf16
from ..simd.row_access import FIRST, ZERO, read, read_first
from ..simd.rows import store_words
from ..simd.vectors import load, load_first, splat, store, store_first
from .activations import LANES, PANEL, filled_up, panels_of
from .products import product_bf16, product_f32, row_product_bf16, row_product_f32

ONE = np.float32(1)

# The types of a matrix and of packed weights, by dtype.
MATRIX = {"f32": "float32[:, ::1]", "bf16": "uint16[:, ::1]"}
PACKED = {"f32": "float32[:, :, ::1]", "bf16": "uint16[:, :, :, ::1]"}


def signatures(pattern):
    """The Numba signatures of `pattern`, in which MATRIX and PACKED stand for the types of either dtype."""
    return [pattern.replace("MATRIX", MATRIX[dtype]).replace("PACKED", PACKED[dtype]) for dtype in MATRIX]


@njit
def share(count, part, parts):
    """The part of `range(count)` that one of `parts` threads takes: where it begins, and ends."""
    return count * part // parts, count * (part + 1) // parts


@njit
def wide_row(x, gain, eps):
    """The first row of `x` in float32, normalised as by `rmsnorm` unless `gain` is empty."""
    inputs = x.shape[1]
    wide = np.empty((1, inputs), np.float32)
    whole = inputs - inputs % LANES
    scale = _scale(x, FIRST, eps) if len(gain) else ONE
    for i in range(0, whole, LANES):
        store(wide, i, _inputs(x, i, i, gain, scale))
    if whole < inputs:
        store_first(wide, whole, _last_inputs(x, whole, whole, gain, scale), inputs - whole)
    return wide


@njit
def fill_panels(x, first, last, gain, eps, panels):
    """The panels `[first, last)` of the rows, normalised or not, laid out as in `activations`.

    All rows of a panel advance together, so that what they write to is in the cache until it is full.
    """
    rows, inputs = x.shape
    whole = inputs - inputs % LANES
    scales = np.ones(PANEL, np.float32)
    for panel in range(first, last):
        begin, count = panel * PANEL, min(PANEL, rows - panel * PANEL)
        if len(gain):
            for lane in range(count):
                scales[lane] = _scale(x, begin + lane, eps)
        for i in range(0, whole, LANES):
            for lane in range(count):
                at = (begin + lane) * inputs + i
                _store_steps(panels, panel, i, lane, _inputs(x, at, i, gain, scales[lane]))
        if whole < inputs:
            for lane in range(count):
                at = (begin + lane) * inputs + whole
                _store_steps(panels, panel, whole, lane, _last_inputs(x, at, whole, gain, scales[lane]))
        for i in range(0, inputs, LANES):
            for lane in range(count, PANEL):
                _store_steps(panels, panel, i, lane, splat(ZERO))


@njit
def _inputs(x, at, i, gain, scale):
    """16 inputs from the flat index `at` on; times the scale and the gain from `i` on, if there is one."""
    vector = read(x, at)
    return multiply(multiply(vector, splat(scale)), load(gain, i)) if len(gain) else vector


@njit
def _last_inputs(x, at, i, gain, scale):
    """The same of the inputs that are left from `i` on, and zeros."""
    count = x.shape[1] - i
    vector = read_first(x, at, count, ZERO)
    return multiply(multiply(vector, splat(scale)), load_first(gain, i, count)) if len(gain) else vector


@njit(error_model="numpy")
def _scale(x, row, eps):
    """`1 / sqrt(mean(x**2) + eps)` of a row."""
    inputs = x.shape[1]
    a = b = splat(ZERO)
    start, i = row * inputs, 0
    while i + 2 * LANES <= inputs:
        left, right = read(x, start + i), read(x, start + i + LANES)
        a, b = fma(left, left, a), fma(right, right, b)
        i += 2 * LANES
    while i < inputs:
        left = read(x, start + i) if i + LANES <= inputs else read_first(x, start + i, inputs - i, ZERO)
        a = fma(left, left, a)
        i += LANES
    return ONE / np.sqrt(horizontal_sum(add(a, b)) / np.float32(inputs) + np.float32(eps))


@njit
def block_product(wide, panels, packed, first, last, block):
    """The columns of the tiles `[first, last)` of the product, from column 0 of `block` on."""
    product(wide, panels, packed[first:last], FIRST, last - first, block)


@njit
def product(wide, panels, packed, first, last, result):
    """The columns of the tiles `[first, last)` of the product, where they belong in `result`."""
    if len(result) == 1:
        _row_product(wide[0], packed, first, last, result)
    else:
        _product(panels, packed, first, last, result)


def panels_for(x, packed):
    """Room for the panels of `x` for a product with `packed`; none for a single row."""


def _store_steps(panels, panel, i, lane, vector):
    """16 inputs of a lane of a panel from `i` on, rounded to the panels' dtype."""


def _product(panels, packed, first, last, result):
    """`packed_products.product_*` of the dtype at hand."""


def _row_product(x, packed, first, last, result):
    """`packed_products.row_product_*` of the dtype at hand."""


@njit
def _panel_count(x):
    return panels_of(len(x)) if len(x) > 1 else 0


@overload(panels_for)
def _panels_for(x, packed):
    if packed.dtype == types.float32:
        return lambda x, packed: np.empty((_panel_count(x), filled_up(x.shape[1]), PANEL), np.float32)
    return lambda x, packed: np.empty((_panel_count(x), filled_up(x.shape[1]) // 2, PANEL, 2), np.uint16)


@overload(_store_steps)
def _store_steps_of(panels, panel, i, lane, vector):
    if panels.dtype == types.float32:

        def stored(panels, panel, i, lane, vector):
            store_words(panels, (panel * panels.shape[1] + i) * PANEL + lane, PANEL, vector)

        return stored

    def rounded(panels, panel, i, lane, vector):
        store_words(panels, ((panel * panels.shape[1] + i // 2) * PANEL + lane) * 2, 2 * PANEL, to_bf16(vector))

    return rounded


@overload(_product)
def _product_of(panels, packed, first, last, result):
    if packed.dtype == types.float32:
        return lambda panels, packed, first, last, result: product_f32(panels, packed, first, last, result)
    return lambda panels, packed, first, last, result: product_bf16(panels, packed, first, last, result)


@overload(_row_product)
def _row_product_of(x, packed, first, last, result):
    if packed.dtype == types.float32:
        return lambda x, packed, first, last, result: row_product_f32(x, packed, first, last, result)
    return lambda x, packed, first, last, result: row_product_bf16(x, packed, first, last, result)
