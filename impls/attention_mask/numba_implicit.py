"""No mask: one pass that copies what is seen, and where that is one piece reads nothing else."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange

from ..simd.copying import LONG_FROM, SPAN_FROM, copy_long_span, copy_span
from ..simd.row_access import FIRST, as_rows, empty_like, rows_as, rows_together, signatures
from ..simd.starts import start_of

# -inf by the bytes of an element: as float32, or as a bf16's bits.
LOWEST = {4: np.float32(-np.inf), 2: np.uint16(0xFF80)}
# A parallel region costs a few microseconds; below this many elements one thread is done sooner.
PARALLEL_FROM = 65536


def attention_mask(
    scores: Float[np.ndarray, "batch heads seq keys"],
    positions: Int[np.ndarray, " seq"],
    key_positions: Int[np.ndarray, " keys"],
    window: int,
) -> Float[np.ndarray, "batch heads seq keys"]:
    """The scores, -inf where the key comes after the position, or `window` or more before it."""
    seq, keys = scores.shape[-2:]
    if positions.shape != (seq,) or key_positions.shape != (keys,):
        raise ValueError(
            f"positions and key_positions have shapes {positions.shape} and {key_positions.shape}, "
            f"expected {(seq,)} and {(keys,)}, the last axes of scores"
        )
    rows = as_rows(scores)
    result = empty_like(rows)
    copy = _parallel if rows.size >= PARALLEL_FROM else _serial
    indices = np.ascontiguousarray(positions, np.int32), np.ascontiguousarray(key_positions, np.int32)
    copy(rows, *indices, window, LOWEST[rows.itemsize], result)
    return rows_as(scores, result)


@njit
def _consecutive(key_positions):
    gaps = 0
    for key in range(key_positions.size):
        gaps += key_positions[key] - key_positions[0] != key
    return gaps == 0


@njit
def _rows(scores, positions, key_positions, in_spans, window, lowest, first, last, result):
    keys, read, written = key_positions.size, start_of(scores), start_of(result)
    query = first % positions.size if first else 0
    for row in range(first, last):
        position = np.int64(positions[query])
        query = query + 1 if query + 1 < positions.size else 0
        if in_spans:
            end = position - key_positions[0] + 1
            begin, end = min(max(end - window, 0), keys), min(max(end, 0), keys)
            if keys >= LONG_FROM:
                copy_long_span(read, row * keys, keys, begin, end, lowest, written)
            else:
                copy_span(read, row * keys, keys, begin, end, lowest, written)
        else:
            for key in range(keys):
                distance = np.int32(position - key_positions[key])
                result[row, key] = scores[row, key] if (distance >= 0) & (distance < window) else lowest


_SIGNATURES = signatures("(real[:, ::1], int32[::1], int32[::1], int32, real, real[:, ::1])")


@njit(_SIGNATURES, cache=True)
def _serial(scores, positions, key_positions, window, lowest, result):
    in_spans = key_positions.size >= SPAN_FROM and _consecutive(key_positions)
    _rows(scores, positions, key_positions, in_spans, window, lowest, FIRST, scores.shape[0], result)


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(scores, positions, key_positions, window, lowest, result):
    in_spans = key_positions.size >= SPAN_FROM and _consecutive(key_positions)
    rows, together = scores.shape[0], rows_together(scores.shape[1])
    for block in prange((rows + together - 1) // together):
        last = min((block + 1) * together, rows)
        _rows(scores, positions, key_positions, in_spans, window, lowest, block * together, last, result)
