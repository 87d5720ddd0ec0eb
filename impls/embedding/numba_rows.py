"""Ids are checked and rows copied in one compiled call; rows are shared among threads where that pays."""

import numpy as np
from jaxtyping import Float, Int32, Num
from numba import njit, prange

from ..id_checks import refuse
from ..simd.copying import as_words, copy_rows
from ..simd.row_access import FIRST, aligned_empty, as_rows, rows_together, signatures
from ..simd.starts import start_of

# Below, two threads gain less than waking one costs: 300 KB take as long by one as by two.
PARALLEL_FROM_BYTES = 1 << 18


def prepare(table: Float[np.ndarray, "vocab_size dim"]):
    return table, as_words(as_rows(table))


def embedding(
    ids: Int32[np.ndarray, "*batch"],
    table: Float[np.ndarray, "vocab_size dim"],
    rows: Num[np.ndarray, "vocab_size words"],
) -> Float[np.ndarray, "*batch dim"]:
    """Row `id` of the table for each id. ValueError for an id outside the table."""
    result = aligned_empty((*ids.shape, table.shape[1]), table.dtype)
    copy = _parallel if ids.size > 1 and result.nbytes >= PARALLEL_FROM_BYTES else _serial
    if not copy(ids.ravel(), rows, result.view(rows.dtype).reshape(-1, rows.shape[1])):
        refuse("ids", ids, len(table))
    return result


@njit
def _inside(ids, count):
    inside = True
    for token in ids:
        inside &= (token >= 0) & (token < count)
    return inside


_SIGNATURES = signatures("boolean(int32[::1], real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(ids, table, result):
    if not _inside(ids, table.shape[0]):
        return False
    copy_rows(start_of(table), table.shape[1], start_of(ids), FIRST, ids.size, start_of(result))
    return True


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(ids, table, result):
    if not _inside(ids, table.shape[0]):
        return False
    columns, together = table.shape[1], rows_together(table.shape[1])
    source, rows, target = start_of(table), start_of(ids), start_of(result)
    for block in prange((ids.size + together - 1) // together):
        first = np.int64(block) * together
        copy_rows(source, columns, rows, first, min(first + together, ids.size), target)
    return True
