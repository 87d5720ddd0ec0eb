"""An activation on every element: each is read and written once, with nothing between but registers."""

import numpy as np
from numba import njit, prange
from numba.core import types
from numba.extending import overload

from .functions import gelu_erf, gelu_erf_coarse, gelu_tanh, gelu_tanh_coarse, silu, silu_coarse
from .row_access import (
    FIRST,
    LANES,
    PARALLEL_FROM,
    ZERO,
    empty_like,
    flat_bits,
    read_first,
    read_two,
    signatures,
    write_first,
    write_two,
)
from .starts import start_of

SILU, GELU_TANH, GELU_ERF = 0, 1, 2
# Elements a turn of the parallel loop.
BLOCK = 4096


def activated(kind, x):
    """A new array of the dtype of x, float32 or bfloat16, with SILU, GELU_TANH or GELU_ERF of each element."""
    result = empty_like(x)
    (_parallel if x.size >= PARALLEL_FROM else _serial)(kind, flat_bits(x), flat_bits(result))
    return result


def _spans(exact, coarse):
    """A loop over `x[first:last]` for float32, and one for bf16."""

    def loop(function):
        @njit
        def span(x, first, last, result):
            index = first
            while index + 2 * LANES <= last:
                one, other = read_two(x, index)
                write_two(result, index, function(one), function(other))
                index += 2 * LANES
            while index < last:
                count = min(LANES, last - index)
                write_first(result, index, function(read_first(x, index, count, ZERO)), count)
                index += count

        return span

    return loop(exact), loop(coarse)


_SILU, _SILU_BF16 = _spans(silu, silu_coarse)
_GELU_TANH, _GELU_TANH_BF16 = _spans(gelu_tanh, gelu_tanh_coarse)
_GELU_ERF, _GELU_ERF_BF16 = _spans(gelu_erf, gelu_erf_coarse)


def _span(kind, x, first, last, result):
    """The activation of `x[first:last]`."""


@overload(_span)
def _span_of(kind, x, first, last, result):
    narrow = x.dtype == types.uint16
    silu_span = _SILU_BF16 if narrow else _SILU
    tanh_span = _GELU_TANH_BF16 if narrow else _GELU_TANH
    erf_span = _GELU_ERF_BF16 if narrow else _GELU_ERF

    def span(kind, x, first, last, result):
        if kind == SILU:
            silu_span(x, first, last, result)
        elif kind == GELU_TANH:
            tanh_span(x, first, last, result)
        else:
            erf_span(x, first, last, result)

    return span


@njit(signatures("(int64, real[::1], real[::1])"), cache=True)
def _serial(kind, x, result):
    _span(kind, start_of(x), FIRST, x.size, start_of(result))


@njit(signatures("(int64, real[::1], real[::1])"), parallel=True, cache=True)
def _parallel(kind, x, result):
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        first = np.int64(block) * BLOCK
        _span(kind, start_of(x), first, min(first + BLOCK, x.size), start_of(result))
