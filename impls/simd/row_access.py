"""Rows of float32 or bf16 as explicit float32 vectors: reading, writing, the vector that a row ends in, and sums.

Numba has no type for bf16: such an array comes as its bits, uint16 (`as_rows`). An index counts elements from the
array's start, and nothing is checked.
"""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from .arithmetic import add, horizontal_maximum, horizontal_sum, maximum, to_bf16
from .vectors import (
    F32,
    constant,
    element_pointer,
    expect,
    is_array,
    llvm_type,
    load,
    load_bf16,
    splat,
    store,
    store_first,
)

LANES = 16
# Elements from which on two threads are done sooner than one: where each is taken to an exponential, at 0.3 ns (one
# thread, measured in the cache), and where all are only moved, added and scaled, at 0.1 ns. So many take one thread
# 5 to 7 us, and a parallel region costs 1 to 3 us, 0.8 of it OpenMP's.
PARALLEL_FROM, LIGHT_PARALLEL_FROM = 16384, 65536
ZERO, MINUS_INFINITY, NAN = np.float32(0), np.float32(-np.inf), np.float32(np.nan)


def as_rows(x):
    """`x` as a C-contiguous matrix of rows along its last axis, of float32 or of a bf16's bits."""
    return as_bits(x).reshape(-1, x.shape[-1])


def as_bits(x):
    """`x` C-contiguous, of float32 or of a bf16's bits."""
    x = np.ascontiguousarray(x)
    return x if x.dtype == np.float32 else x.view(np.uint16)


def signatures(pattern):
    """The Numba signatures of `pattern` for either dtype, which stands in it as `real`."""
    return [pattern.replace("real", name) for name in ("float32", "uint16")]


@njit
def rows_together(columns):
    """How many rows one turn of a parallel loop takes: what is done once a turn is then a small part of it."""
    return max(1, 8192 // columns)


def read(array, index):
    """16 elements from `index` on as float32."""


def read_first(array, index, count, other):
    """As `read`, reading `count` elements only; `other`, a float32, in the other lanes."""


def write(array, index, vector):
    """The 16 lanes to `array` from `index` on, rounded to its dtype."""


def write_first(array, index, vector, count):
    """As `write`, the first `count` lanes only."""


@overload(read)
def _read(array, index):
    if isinstance(array, types.Array):
        return {types.float32: lambda array, index: load(array, index)}.get(
            array.dtype, lambda array, index: load_bf16(array, index)
        )
    return None


@overload(read_first)
def _read_first(array, index, count, other):
    if isinstance(array, types.Array):
        return lambda array, index, count, other: _load_first(array, index, count, other)
    return None


@overload(write)
def _write(array, index, vector):
    if array.dtype == types.float32:
        return lambda array, index, vector: store(array, index, vector)
    return lambda array, index, vector: store(array, index, to_bf16(vector))


@overload(write_first)
def _write_first(array, index, vector, count):
    if array.dtype == types.float32:
        return lambda array, index, vector, count: store_first(array, index, vector, count)
    return lambda array, index, vector, count: store_first(array, index, to_bf16(vector), count)


def widened(value):
    """One element as a float32."""


@overload(widened)
def _widened(value):
    if value == types.float32:
        return lambda value: value
    return lambda value: np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)


@intrinsic
def _load_first(typing, array, index, count, other):
    given = array, index, count, other
    expect(is_array(array, types.float32, types.uint16) and other == types.float32, "read_first", *given)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        vector = cgutils.alloca_once(builder, llvm_type(F32))
        lanes = constant(llvm_type(F32), 0.0)
        for lane in range(LANES):
            lanes = builder.insert_element(lanes, values[3], ir.Constant(ir.IntType(32), lane))
        builder.store(lanes, vector)
        with cgutils.for_range(builder, context.cast(builder, values[2], signature.args[2], types.intp)) as loop:
            value = builder.load(builder.gep(pointer, [loop.index]))
            if array.dtype == types.uint16:
                bits = builder.shl(builder.zext(value, ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
                value = builder.bitcast(bits, ir.FloatType())
            lane = builder.trunc(loop.index, ir.IntType(32))
            builder.store(builder.insert_element(builder.load(vector), value, lane), vector)
        return builder.load(vector)

    return F32(*given), generate


@njit
def largest(array, first, last):
    """The largest of `array[first:last]`, -inf if there is none; a NaN is passed over."""
    a = b = c = d = splat(MINUS_INFINITY)
    index = first
    # Four maxima at a time, since each waits for the one before it.
    while index + 4 * LANES <= last:
        a, b = maximum(read(array, index), a), maximum(read(array, index + LANES), b)
        c, d = maximum(read(array, index + 2 * LANES), c), maximum(read(array, index + 3 * LANES), d)
        index += 4 * LANES
    while index + LANES <= last:
        a = maximum(read(array, index), a)
        index += LANES
    if index < last:
        a = maximum(read_first(array, index, last - index, MINUS_INFINITY), a)
    return horizontal_maximum(maximum(maximum(a, b), maximum(c, d)))


@njit
def sum_of_four(a, b, c, d):
    """The sum over all lanes of four vectors."""
    return horizontal_sum(add(add(a, b), add(c, d)))
