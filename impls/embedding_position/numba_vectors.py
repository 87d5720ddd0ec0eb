"""Ids are checked, rows read, added and written in one compiled call, in explicit vectors."""

import numpy as np
from jaxtyping import Float, Int32
from numba import njit, prange

from ..id_checks import check_positions, refuse
from ..simd.arithmetic import add
from ..simd.row_access import (
    LANES,
    LIGHT_PARALLEL_FROM,
    ZERO,
    as_rows,
    read,
    read_first,
    signatures,
    write,
    write_first,
)


def embedding_position(
    ids: Int32[np.ndarray, "batch seq"],
    start: int,
    tokens: Float[np.ndarray, "vocab_size dim"],
    positions: Float[np.ndarray, "context dim"],
) -> Float[np.ndarray, "batch seq dim"]:
    """Row `id` of the tokens' table plus row `start + i` of the positions' for the i-th id of a row.

    Float32 within. ValueError for an id outside the table, or a position beyond the context.
    """
    check_positions(start, ids.shape[1], len(positions))
    result = np.empty((*ids.shape, tokens.shape[1]), tokens.dtype)
    run = _parallel if ids.size > 1 and result.size >= LIGHT_PARALLEL_FROM else _serial
    if not run(np.ascontiguousarray(ids), start, as_rows(tokens), as_rows(positions), as_rows(result)):
        refuse("ids", ids, len(tokens))
    return result


@njit
def _row(ids, row, start, tokens, positions, result):
    columns = tokens.shape[1]
    token = ids[row // ids.shape[1], row % ids.shape[1]]
    if token < 0 or token >= tokens.shape[0]:
        return False
    first, place, to, index = token * columns, (start + row % ids.shape[1]) * columns, row * columns, 0
    while index + LANES <= columns:
        write(result, to + index, add(read(tokens, first + index), read(positions, place + index)))
        index += LANES
    if index < columns:
        left = columns - index
        token_part = read_first(tokens, first + index, left, ZERO)
        write_first(result, to + index, add(token_part, read_first(positions, place + index, left, ZERO)), left)
    return True


_SIGNATURES = signatures("boolean(int32[:, ::1], int64, real[:, ::1], real[:, ::1], real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(ids, start, tokens, positions, result):
    inside = True
    for row in range(ids.size):
        inside &= _row(ids, row, start, tokens, positions, result)
    return inside


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(ids, start, tokens, positions, result):
    outside = 0
    for row in prange(ids.size):
        outside += 0 if _row(ids, row, start, tokens, positions, result) else 1
    return outside == 0
