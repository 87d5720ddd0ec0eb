"""No mask: one pass that copies what is seen; the same on the bits of any dtype."""

import numpy as np
from jaxtyping import Float, Int
from numba import njit, prange

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
    bits = np.dtype(f"u{scores.dtype.itemsize}")
    rows = np.ascontiguousarray(scores).reshape(-1, keys)
    result = np.empty_like(rows)
    lowest = np.array(-np.inf, scores.dtype).view(bits)[()]
    copy = _parallel if rows.size >= PARALLEL_FROM else _serial
    indices = (np.ascontiguousarray(index, np.int32) for index in (positions, key_positions))
    copy(rows.view(bits), *indices, window, lowest, result.view(bits))
    return result.reshape(scores.shape)


@njit
def _row(scores, position, key_positions, window, lowest, result):
    for key in range(scores.shape[0]):
        distance = np.int32(position - key_positions[key])
        result[key] = scores[key] if (distance >= 0) & (distance < window) else lowest


_SIGNATURES = [
    f"(uint{bits}[:, ::1], int32[::1], int32[::1], int32, uint{bits}, uint{bits}[:, ::1])" for bits in (16, 32)
]


@njit(_SIGNATURES, cache=True)
def _serial(scores, positions, key_positions, window, lowest, result):
    for row in range(scores.shape[0]):
        _row(scores[row], positions[row % positions.shape[0]], key_positions, window, lowest, result[row])


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(scores, positions, key_positions, window, lowest, result):
    for row in prange(scores.shape[0]):
        _row(scores[row], positions[row % positions.shape[0]], key_positions, window, lowest, result[row])
