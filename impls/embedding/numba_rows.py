"""Ids are checked and rows copied in one compiled call; rows are shared among threads where that pays."""

import numpy as np
from jaxtyping import Float, Int32
from numba import njit, prange

from ..id_checks import refuse
from ..simd.row_access import aligned_empty, as_rows, signatures

# 256 KB take one thread about 5 us, and a parallel region costs 1 to 3.
PARALLEL_FROM_BYTES = 1 << 18


def embedding(
    ids: Int32[np.ndarray, "*batch"], table: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "*batch dim"]:
    """Row `id` of the table for each id. ValueError for an id outside the table."""
    shape = (*ids.shape, table.shape[1])
    large = ids.size > 1 and ids.size * shape[-1] * table.itemsize >= PARALLEL_FROM_BYTES
    result = (aligned_empty if large else np.empty)(shape, table.dtype)
    run = _parallel if large else _serial
    if not run(np.ascontiguousarray(ids).ravel(), as_rows(table), as_rows(result)):
        refuse("ids", ids, len(table))
    return result


@njit
def _inside(ids, count):
    inside = True
    for token in ids:
        inside &= (token >= 0) & (token < count)
    return inside


@njit
def _copy(table, row, result, to):
    for column in range(table.shape[1]):
        result[to, column] = table[row, column]


_SIGNATURES = signatures("boolean(int32[::1], real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(ids, table, result):
    if not _inside(ids, table.shape[0]):
        return False
    for token in range(ids.size):
        _copy(table, ids[token], result, token)
    return True


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(ids, table, result):
    if not _inside(ids, table.shape[0]):
        return False
    for token in prange(ids.size):
        _copy(table, ids[token], result, token)
    return True
