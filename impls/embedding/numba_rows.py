"""Ids are checked and rows copied in one compiled call; rows are shared among threads where that pays."""

import numpy as np
from jaxtyping import Float, Int32, Num
from numba import get_num_threads, njit, prange

from ..id_checks import refuse
from ..simd.copying import as_words, copy_rows
from ..simd.row_access import aligned_empty, as_rows, signatures

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
    given = np.ascontiguousarray(ids).ravel(), rows, result.view(rows.dtype).reshape(-1, rows.shape[1])
    large = ids.size > 1 and result.nbytes >= PARALLEL_FROM_BYTES
    if not (_parallel(*given, get_num_threads()) if large else _serial(*given)):
        refuse("ids", ids, len(table))
    return result


@njit
def _inside(ids, count):
    inside = True
    for token in ids:
        inside &= (token >= 0) & (token < count)
    return inside


_SIGNATURE = "boolean(int32[::1], real[:, ::1], real[:, ::1]{})"


@njit(signatures(_SIGNATURE.format("")), cache=True)
def _serial(ids, table, result):
    if not _inside(ids, table.shape[0]):
        return False
    copy_rows(table, ids, 0, ids.size, result)
    return True


@njit(signatures(_SIGNATURE.format(", int64")), parallel=True, cache=True)
def _parallel(ids, table, result, parts):
    if not _inside(ids, table.shape[0]):
        return False
    for part in prange(parts):
        copy_rows(table, ids, ids.size * part // parts, ids.size * (part + 1) // parts, result)
    return True
