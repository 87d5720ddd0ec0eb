"""Attention by tiles and its output projection in one compiled function; the residual is added to float32 sums."""

import numpy as np
from numba import njit, prange

from ..packed.blocks import block_product, fill_panels, panels_for, share, signatures, wide_row
from ..packed.linear import BLOCK, NOTHING, THREADS, TILE
from ..simd.arithmetic import add
from ..simd.row_access import LANES, ZERO, as_bits, as_rows, read, read_first, write, write_first
from ..simd.vectors import load
from .tiles import NO_TABLE, attend_head, checked


def attended_residual(residual, q, k, v, packed, shape):
    """`residual + attention(q, k, v) weight.T` for the weight that `packed.linear.pack` was given."""
    (batch, seq, heads, head_dim), (out, inputs) = q.shape, shape
    checked(q, k, v)
    if residual.shape != (batch, seq, out) or inputs != heads * head_dim:
        raise ValueError(
            f"residual has shape {residual.shape} and q {q.shape}, expected {(batch, seq, out)} and {inputs}, "
            "the inputs of the weights, in the last two axes of q"
        )
    result = np.empty(residual.shape, residual.dtype)
    _attended(as_rows(residual), as_bits(q), as_bits(k), as_bits(v), NO_TABLE, packed, THREADS, as_rows(result))
    return result


@njit
def _columns(wide, panels, packed, first, last, residual, result):
    columns, width = result.shape[1], BLOCK * TILE
    block = np.empty((len(result), width), np.float32)
    for tile in range(first, last, BLOCK):
        end = min(tile + BLOCK, last)
        block_product(wide, panels, packed, tile, end, block)
        for row in range(len(result)):
            for part in range(tile, end):
                vector, column = load(block, row * width + (part - tile) * TILE), part * TILE
                at = row * columns + column
                if column + LANES <= columns:
                    write(result, at, add(vector, read(residual, at)))
                else:
                    beside = read_first(residual, at, columns - column, ZERO)
                    write_first(result, at, add(vector, beside), columns - column)


_ARRAY = "DTYPE[:, :, :, ::1]"
_PATTERN = f"(MATRIX, {_ARRAY}, {_ARRAY}, {_ARRAY}, int32[:, ::1], PACKED, int64, MATRIX)"
_SIGNATURES = [
    pattern.replace("DTYPE", name) for pattern, name in zip(signatures(_PATTERN), ("float32", "uint16"), strict=True)
]


@njit(_SIGNATURES, parallel=True, cache=True)
def _attended(residual, q, k, v, table, packed, threads, result):
    batch, seq, heads, head_dim = q.shape
    units, mixed = batch * k.shape[2], np.empty_like(q)
    # Each part of a head packs its keys and values anew: as few as give every thread as many.
    parts = 1
    while units * parts % threads:
        parts += 1
    for item in prange(units * parts):
        attend_head(q, k, v, table, seq, item // parts, seq, item % parts, parts, mixed)
    x = mixed.reshape(batch * seq, heads * head_dim)
    panels, wide = panels_for(x, packed), wide_row(x, NOTHING, 0.0)
    if len(panels):
        for part in prange(threads):
            first, last = share(len(panels), part, threads)
            fill_panels(x, first, last, NOTHING, 0.0, panels)
    for part in prange(threads):
        first, last = share(len(packed), part, threads)
        _columns(wide, panels, packed, first, last, residual, result)
