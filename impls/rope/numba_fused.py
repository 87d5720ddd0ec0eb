"""One pass: each pair is read, turned and written once."""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..numba_math import FASTMATH

# A parallel region costs a few microseconds; below this many elements one thread is done sooner.
PARALLEL_FROM = 65536


def rope(
    x: Float[np.ndarray, "*batch seq heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> Float[np.ndarray, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2])."""
    seq, heads, head_dim = x.shape[-3:]
    if not cos.shape == sin.shape == (seq, head_dim // 2):
        raise ValueError(f"cos and sin have shapes {cos.shape} and {sin.shape}, expected {(seq, head_dim // 2)}")
    tokens = np.ascontiguousarray(x).reshape(-1, heads, head_dim)
    result = np.empty_like(tokens)
    turn = _parallel if len(tokens) > 1 and x.size >= PARALLEL_FROM else _serial
    turn(tokens, np.ascontiguousarray(cos), np.ascontiguousarray(sin), result)
    return result.reshape(x.shape)


@njit(fastmath=FASTMATH)
def _turn_heads(x, cos, sin, result):
    half = cos.shape[0]
    for head in range(x.shape[0]):
        for i in range(half):
            real, imaginary = x[head, i], x[head, i + half]
            result[head, i] = real * cos[i] - imaginary * sin[i]
            result[head, i + half] = real * sin[i] + imaginary * cos[i]


_SIGNATURE = "(float32[:, :, ::1], float32[:, ::1], float32[:, ::1], float32[:, :, ::1])"


@njit(_SIGNATURE, cache=True)
def _serial(x, cos, sin, result):
    for token in range(x.shape[0]):
        _turn_heads(x[token], cos[token % cos.shape[0]], sin[token % cos.shape[0]], result[token])


@njit(_SIGNATURE, parallel=True, cache=True)
def _parallel(x, cos, sin, result):
    for token in prange(x.shape[0]):
        _turn_heads(x[token], cos[token % cos.shape[0]], sin[token % cos.shape[0]], result[token])
