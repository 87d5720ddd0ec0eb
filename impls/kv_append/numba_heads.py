"""A head at a time, by two threads where there is much: NumPy copies on one."""

from operator import index

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..kv_checks import check_append
from ..simd.row_access import as_bits, signatures

# Elements from which on two threads are done sooner: 32,768 take them 6 to 9 us, NumPy 7 to 13; 16,384 either.
PARALLEL_FROM = 32768


def kv_append(
    keys_cache: Float[np.ndarray, "batch heads positions head_dim"],
    values_cache: Float[np.ndarray, "batch heads positions head_dim"],
    keys: Float[np.ndarray, "batch heads seq head_dim"],
    values: Float[np.ndarray, "batch heads seq head_dim"],
    position: int,
) -> tuple[Float[np.ndarray, "batch heads positions head_dim"], Float[np.ndarray, "batch heads positions head_dim"]]:
    """The caches with `keys` and `values` from `position` on, in place; ValueError if they do not fit."""
    arrays = keys_cache, values_cache, keys, values
    if keys.size < PARALLEL_FROM or not _alike(arrays) or not _copied(*map(as_bits, arrays), index(position)):
        end = check_append(arrays[:2], arrays[2:], position)
        keys_cache[:, :, position:end] = keys
        values_cache[:, :, position:end] = values
    return keys_cache, values_cache


def _alike(arrays):
    dtype = arrays[0].dtype
    return all([array.flags.c_contiguous and array.dtype == dtype for array in arrays])


@njit(signatures(f"boolean({', '.join(['real[:, :, :, ::1]'] * 4)}, int64)"), parallel=True, cache=True)
def _copied(keys_cache, values_cache, keys, values, position):
    """False, and nothing is written, if they do not fit."""
    batch, heads, seq, head_dim = keys.shape
    positions = keys_cache.shape[2]
    if not (
        keys_cache.shape == values_cache.shape == (batch, heads, positions, head_dim)
        and values.shape == keys.shape
        and 0 <= position <= positions - seq
    ):
        return False
    rows, held, length = batch * heads, positions * head_dim, seq * head_dim
    first, last = position * head_dim, position * head_dim + length
    new_keys, new_values = keys.reshape(rows, length), values.reshape(rows, length)
    all_keys, all_values = keys_cache.reshape(rows, held), values_cache.reshape(rows, held)
    for row in prange(rows):
        all_keys[row, first:last] = new_keys[row]
        all_values[row, first:last] = new_values[row]
    return True
