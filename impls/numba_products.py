"""`x @ w.T` in tiles of four rows by four, so that every vector loaded from either side is used four times."""

import numpy as np
from numba import njit, prange

from .numba_math import FASTMATH

TILE = 4
# Columns a thread takes at once: a block of weights stays in its cache while the activations pass over it.
BLOCK = 64


@njit(fastmath=FASTMATH)
def product(x, weight, first, last, result):
    """`result[:, first:last] = x @ weight[first:last].T` for C-contiguous float32 matrices; `weight` is `[out, in]`."""
    whole_rows = x.shape[0] - x.shape[0] % TILE
    whole_columns = last - (last - first) % TILE
    for column in range(first, whole_columns, TILE):
        for row in range(0, whole_rows, TILE):
            _tile(x, weight, row, column, result)
        for row in range(whole_rows, x.shape[0]):
            _strip(x[row], weight, column, result[row])
    for column in range(whole_columns, last):
        for row in range(x.shape[0]):
            result[row, column] = _dot(x[row], weight[column])


@njit(fastmath=FASTMATH)
def _dot(x, weight):
    total = np.float32(0)
    for i in range(x.shape[0]):
        total += x[i] * weight[i]
    return total


@njit(fastmath=FASTMATH)
def _strip(x, weight, column, result):
    w0, w1, w2, w3 = weight[column], weight[column + 1], weight[column + 2], weight[column + 3]
    s0 = s1 = s2 = s3 = np.float32(0)
    for i in range(x.shape[0]):
        s0 += x[i] * w0[i]
        s1 += x[i] * w1[i]
        s2 += x[i] * w2[i]
        s3 += x[i] * w3[i]
    result[column], result[column + 1], result[column + 2], result[column + 3] = s0, s1, s2, s3


@njit(fastmath=FASTMATH)
def _tile(x, weight, row, column, result):
    x0, x1, x2, x3 = x[row], x[row + 1], x[row + 2], x[row + 3]
    w0, w1, w2, w3 = weight[column], weight[column + 1], weight[column + 2], weight[column + 3]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0)
    for i in range(x.shape[1]):
        s00 += x0[i] * w0[i]
        s01 += x0[i] * w1[i]
        s02 += x0[i] * w2[i]
        s03 += x0[i] * w3[i]
        s10 += x1[i] * w0[i]
        s11 += x1[i] * w1[i]
        s12 += x1[i] * w2[i]
        s13 += x1[i] * w3[i]
        s20 += x2[i] * w0[i]
        s21 += x2[i] * w1[i]
        s22 += x2[i] * w2[i]
        s23 += x2[i] * w3[i]
        s30 += x3[i] * w0[i]
        s31 += x3[i] * w1[i]
        s32 += x3[i] * w2[i]
        s33 += x3[i] * w3[i]
    sums = ((s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33))
    for i in range(TILE):
        for j in range(TILE):
            result[row + i, column + j] = sums[i][j]


@njit("(float32[:, ::1], float32[:, ::1], float32[:, ::1])", parallel=True, cache=True)
def linear_parallel(x, weight, result):
    """`result = x @ weight.T`, blocks of columns shared out to the threads."""
    columns = weight.shape[0]
    for block in prange((columns + BLOCK - 1) // BLOCK):
        product(x, weight, block * BLOCK, min((block + 1) * BLOCK, columns), result)
