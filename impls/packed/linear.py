"""`x @ weight.T` of packed weights over threads, with what comes before it and after it: norm, bias, activation.

Each thread takes a share of the tiles of outputs. Where something comes after the product it is computed in blocks of a
few tiles in float32, small enough for the cache: a block gets its bias and activation on its way to the result.
"""

import numpy as np
from numba import config, njit, prange

from ..products import check_shape
from ..simd.arithmetic import add, multiply
from ..simd.functions import gelu_tanh, silu
from ..simd.row_access import FIRST, LANES, as_rows, write, write_first
from ..simd.vectors import load
from .blocks import block_product, fill_panels, panels_for, product, share, signatures, wide_row
from .packing import TILE, pack_bf16, pack_f32

# Tiles of outputs that a thread computes before they go to the result.
BLOCK = 4
# Bytes of weights times rows from which a second thread pays: a region takes 4 us, in which one thread streams 0.4 MB
# (measured: 288 x 288 in 4.3 us by one thread and 6.6 by two, 288 x 768 in 10 by either).
PARALLEL_FROM = 1 << 20
# Asking Numba at each call takes 0.6 us.
THREADS = config.NUMBA_NUM_THREADS

# What becomes of the outputs. GATED: those of the even tiles, through silu, gate those of the odd ones.
PLAIN, GELU_TANH, GATED = 0, 1, 2
NOTHING = np.empty(0, np.float32)


def pack(weight):
    """The weight `[out, in]` packed for its own dtype, and its shape: what `packed_product` takes."""
    return packed_alike(weight), weight.shape


def packed_alike(weight):
    return (pack_f32 if weight.dtype == np.float32 else pack_bf16)(weight)


def pack_pair(gate, up):
    """Two weights of one shape packed together, tile by tile in turns, for GATED."""
    spare = -len(gate) % TILE
    tiles = [np.pad(weight, ((0, spare), (0, 0))).reshape(-1, TILE, weight.shape[1]) for weight in (gate, up)]
    return packed_alike(np.stack(tiles, axis=1).reshape(-1, gate.shape[1]))


def pack_qkv(w_q, w_k, w_v):
    """Three weights of as many inputs packed below each other: what `pack` gives, and the outputs of the first two."""
    for name, weight in (("w_k", w_k), ("w_v", w_v)):
        check_shape(name, weight, (len(w_k), w_q.shape[1]))
    return *pack(np.concatenate([w_q, w_k, w_v])), len(w_q), len(w_k)


def filled_bias(bias):
    """A bias in float32, with zeros up to a whole number of tiles."""
    return np.concatenate([bias.astype(np.float32), np.zeros(-len(bias) % TILE, np.float32)])


def check_last_axis(x, inputs):
    """ValueError unless x has rows of so many inputs: compiled code would read beyond them."""
    if x.shape[-1] != inputs:
        raise ValueError(f"x has shape {x.shape}, expected (..., {inputs}), the inputs of the weights")


def packed_product(x, packed, shape, gain=NOTHING, eps=0.0):
    """`x @ weight.T` of any number of axes for the weight that `pack` was given; of `rmsnorm(x)` if there is a gain."""
    out, inputs = shape
    check_last_axis(x, inputs)
    result = np.empty((*x.shape[:-1], out), x.dtype)
    linear(as_rows(x), gain, eps, packed, NOTHING, PLAIN, THREADS, as_rows(result))
    return result


def packed_feed_forward(x, w_in, w_out, shape, kind, b_in=NOTHING, b_out=NOTHING):
    """`act(x @ w_in.T + b_in) @ w_out.T + b_out`; `shape` is that of w_out before it was packed."""
    out, hidden = shape
    check_last_axis(x, out)
    result = np.empty((*x.shape[:-1], out), x.dtype)
    feed_forward(as_rows(x), w_in, b_in, kind, w_out, b_out, hidden, THREADS, as_rows(result))
    return result


@njit
def _columns(wide, panels, packed, first, last, bias, kind, result):
    if kind == PLAIN and not len(bias):
        # What nothing comes after is rounded as it is stored, between sums: 8 % of 288 x 768 in bf16.
        product(wide, panels, packed, first, last, result)
    else:
        _blocks(wide, panels, packed, first, last, bias, kind, result)


@njit
def _blocks(wide, panels, packed, first, last, bias, kind, result):
    columns, width = result.shape[1], BLOCK * TILE
    block = np.empty((len(result), width), np.float32)
    step = 2 if kind == GATED else 1
    for tile in range(first, last, BLOCK):
        end = min(tile + BLOCK, last)
        block_product(wide, panels, packed, tile, end, block)
        for row in range(len(result)):
            for part in range(tile, end, step):
                at, column = row * width + (part - tile) * TILE, part // step * TILE
                vector = load(block, at)
                if kind == GATED:
                    vector = multiply(silu(vector), load(block, at + TILE))
                elif len(bias):
                    vector = add(vector, load(bias, column))
                if kind == GELU_TANH:
                    vector = gelu_tanh(vector)
                if column + LANES <= columns:
                    write(result, row * columns + column, vector)
                else:
                    write_first(result, row * columns + column, vector, columns - column)


@njit(
    signatures("(MATRIX, float32[::1], float64, PACKED, float32[::1], int64, int64, MATRIX)"),
    parallel=True,
    cache=True,
)
def linear(x, gain, eps, packed, bias, kind, threads, result):
    """`result = act(norm(x) @ weight.T + bias)`; an empty gain or bias is none. Rows must be as the weights expect."""
    panels = panels_for(x, packed)
    wide = wide_row(x, gain, eps)
    step = 2 if kind == GATED else 1
    if packed.size * packed.itemsize * len(x) < PARALLEL_FROM:
        fill_panels(x, FIRST, len(panels), gain, eps, panels)
        _columns(wide, panels, packed, FIRST, len(packed), bias, kind, result)
        return
    if len(panels):
        for part in prange(threads):
            first, last = share(len(panels), part, threads)
            fill_panels(x, first, last, gain, eps, panels)
    for part in prange(threads):
        first, last = share(len(packed) // step, part, threads)
        _columns(wide, panels, packed, first * step, last * step, bias, kind, result)


@njit(signatures("(MATRIX, PACKED, float32[::1], int64, PACKED, float32[::1], int64, int64, MATRIX)"), cache=True)
def feed_forward(x, w_in, b_in, kind, w_out, b_out, hidden_dim, threads, result):
    """`result = act(x @ w_in.T + b_in) @ w_out.T + b_out`; what lies between is of the dtype of x."""
    hidden = np.empty((len(x), hidden_dim), x.dtype)
    nothing = np.empty(0, np.float32)
    linear(x, nothing, 0.0, w_in, b_in, kind, threads, hidden)
    linear(hidden, nothing, 0.0, w_out, b_out, PLAIN, threads, result)
