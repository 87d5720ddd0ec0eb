"""A head at a time, 16 numbers after the other, by two threads where there is much."""

import numpy as np
from jaxtyping import Float, Float32
from numba import njit, prange

from ..kv_checks import check_length
from ..numba_bf16_bits import widen

# Elements from which on two threads are done sooner.
PARALLEL_FROM = 32768


def kv_read(
    cache: Float[np.ndarray, "batch heads positions head_dim"], length: int
) -> Float32[np.ndarray, "batch heads length head_dim"]:
    """The first `length` positions in float32; ValueError if the cache has fewer."""
    length = check_length(cache, length)
    batch, heads, positions, head_dim = cache.shape
    rows = np.ascontiguousarray(cache).reshape(batch * heads, positions * head_dim)
    result = np.empty((batch, heads, length, head_dim), np.float32)
    (_parallel if result.size >= PARALLEL_FROM else _serial)(
        rows.view(np.uint16) if cache.itemsize == 2 else rows, result.reshape(batch * heads, length * head_dim)
    )
    return result


_SIGNATURES = [f"({kind}[:, ::1], float32[:, ::1])" for kind in ("uint16", "float32")]


@njit(_SIGNATURES, cache=True)
def _serial(cache, result):
    for head in range(len(cache)):
        widen(cache, head * cache.shape[1], result.shape[1], result, head * result.shape[1])


@njit(_SIGNATURES, parallel=True, cache=True)
def _parallel(cache, result):
    for head in prange(len(cache)):
        widen(cache, head * cache.shape[1], result.shape[1], result, head * result.shape[1])
