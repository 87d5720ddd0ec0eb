"""Ids are checked and rows copied in one compiled call; rows are shared among threads where that pays."""

import numpy as np
from jaxtyping import Float, Int32
from numba import njit, prange

from ..id_checks import refuse
from ..simd.row_access import LIGHT_PARALLEL_FROM, as_rows, signatures


def embedding(
    ids: Int32[np.ndarray, "*batch"], table: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "*batch dim"]:
    """Row `id` of the table for each id. ValueError for an id outside the table."""
    result = np.empty((*ids.shape, table.shape[1]), table.dtype)
    run = _parallel if ids.size > 1 and result.size >= LIGHT_PARALLEL_FROM else _serial
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
