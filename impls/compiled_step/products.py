"""The share of one thread in a product: rows normalised and laid out, tiles of outputs, and what becomes of them."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..packed.activations import PANEL, panels_of
from ..packed.blocks import share
from ..packed.packing import TILE
from ..simd.arithmetic import add, fma, horizontal_sum, multiply, subtract
from ..simd.functions import gelu_tanh, silu
from ..simd.row_access import LANES, write, write_first
from ..simd.team import meet
from ..simd.vectors import load, splat, store
from .formats import lay_out, lay_out_row, multiply_panels, multiply_row, panels_in, row_in
from .spaces import BLOCK

# What becomes of the outputs: stored, added to what is there, through GELU, or every other tile through silu as the
# gate of the next one.
PLAIN, ADDED, GELU, SWIGLU = range(4)


class Thread(NamedTuple):
    team: np.ndarray
    rank: int
    threads: int


class Norm(NamedTuple):
    """How rows of `dim` numbers are normalised: as RMSNorm does, or LayerNorm if they are centred."""

    dim: int
    centred: int
    eps: float


class Weight(NamedTuple):
    """Packed weights, and the scales of quantised ones."""

    numbers: np.ndarray
    scales: np.ndarray


class Inputs(NamedTuple):
    """`count` rows for a product: one is `row`, and laid out in `single` where it is quantised; more are panels."""

    count: int
    row: np.ndarray
    single: tuple
    panels: tuple


@njit
def inputs_in(room, weight, count, row, thread):
    """Room for `count` rows as wide as `row`, in which a single one lies."""
    single = row_in(room, weight.numbers, thread.rank, len(row))
    return Inputs(count, row, single, panels_in(room, weight.numbers, panels_of(count), len(row)))


@njit
def _total(x, start, end):
    """The sum of an even number of whole vectors."""
    a = b = splat(np.float32(0))
    for i in range(start, end, 2 * LANES):
        a, b = add(a, load(x, i)), add(b, load(x, i + LANES))
    return horizontal_sum(add(a, b))


@njit
def _total_of_squares(x, start, end, centre):
    """The sum of the squares of the same less `centre`."""
    a = b = splat(np.float32(0))
    for i in range(start, end, 2 * LANES):
        left, right = subtract(load(x, i), splat(centre)), subtract(load(x, i + LANES), splat(centre))
        a, b = fma(left, left, a), fma(right, right, b)
    return horizontal_sum(add(a, b))


@njit(error_model="numpy")
def _normalise(x, row, norm, gains, normed, to):
    """Row `to` of `normed` from a row of x; `gains` are gain and bias, one behind the other."""
    wide, count = x.shape[1], np.float32(norm.dim)
    start, end = row * wide, (row + 1) * wide
    mean = _total(x, start, end) / count if norm.centred else np.float32(0)
    # What fills a row up is 0, and so is its square unless it is centred.
    squares = _total_of_squares(x, start, end, mean) - np.float32(wide - norm.dim) * mean * mean
    scale = np.float32(1) / np.sqrt(squares / count + np.float32(norm.eps))
    for i in range(0, wide, LANES):
        vector = multiply(subtract(load(x, start + i), splat(mean)), splat(scale))
        store(normed, to * wide + i, fma(vector, load(gains, i), load(gains, wide + i)))


@njit
def prepare_normalised(x, first_row, stride, inputs, norm, gains, weight, thread, normed):
    """Rows `first_row + i * stride` of x, normalised, for a product: a single one by each thread, panels by all."""
    if inputs.count == 1:
        _normalise(x, first_row, norm, gains, normed, 0)
        lay_out_row(normed[:1], weight.numbers, inputs.single)
        return
    first, last = share(panels_of(inputs.count), thread.rank, thread.threads)
    for panel in range(first, last):
        count = min(PANEL, inputs.count - panel * PANEL)
        for i in range(count):
            _normalise(x, first_row + (panel * PANEL + i) * stride, norm, gains, normed, i)
        lay_out(normed[:count], weight.numbers, panel, panel + 1, inputs.panels)
    meet(thread.team)


@njit
def prepare(x, inputs, weight, thread):
    """The first rows of x as they are."""
    if inputs.count == 1:
        lay_out_row(x[:1], weight.numbers, inputs.single)
        return
    first, last = share(panels_of(inputs.count), thread.rank, thread.threads)
    lay_out(x[first * PANEL : min(last * PANEL, inputs.count)], weight.numbers, first, last, inputs.panels)
    meet(thread.team)


@njit
def _block_of(inputs, weight, first, last, block):
    """The columns of the tiles `[first, last)` for all rows, from column 0 of `block` on."""
    numbers, scales = weight.numbers[first:last], weight.scales[first:last]
    if inputs.count == 1:
        multiply_row(inputs.row, inputs.single, numbers, scales, block)
    else:
        multiply_panels(inputs.panels, numbers, scales, block[: inputs.count])


@njit
def product(inputs, weight, tiles, bias, kind, block, result):
    """The columns of the tiles from the first to the last, with what `kind` makes of them; of pairs for SWIGLU."""
    step = 2 if kind == SWIGLU else 1
    columns, width = result.shape[1], BLOCK * TILE
    for tile in range(tiles[0], tiles[1], BLOCK):
        end = min(tile + BLOCK, tiles[1])
        _block_of(inputs, weight, tile, end, block)
        for row in range(inputs.count):
            for part in range(tile, end, step):
                at, to = row * width + (part - tile) * TILE, row * columns + part // step * TILE
                vector = load(block, at)
                if len(bias):
                    vector = add(vector, load(bias, part * TILE))
                if kind == SWIGLU:
                    vector = multiply(silu(vector), load(block, at + TILE))
                elif kind == GELU:
                    vector = gelu_tanh(vector)
                elif kind == ADDED:
                    vector = add(vector, load(result, to))
                store(result, to, vector)


@njit
def head_product(inputs, weight, tiles, block, logits):
    """The same without more, rounded to the dtype of the logits, which may end within a tile."""
    columns, width = logits.shape[1], BLOCK * TILE
    for tile in range(tiles[0], tiles[1], BLOCK):
        end = min(tile + BLOCK, tiles[1])
        _block_of(inputs, weight, tile, end, block)
        for row in range(inputs.count):
            for part in range(tile, end):
                at, column = row * width + (part - tile) * TILE, part * TILE
                if column + LANES <= columns:
                    write(logits, row * columns + column, load(block, at))
                else:
                    write_first(logits, row * columns + column, load(block, at), columns - column)
