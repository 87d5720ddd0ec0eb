"""Both input products and the activation in one parallel region, a block of the hidden columns at a time.

Weights stream once for each four rows of activations: at decode they are read once, and the time is their bytes.
"""

import numpy as np
from jaxtyping import Float
from numba import njit, prange

from ..numba_math import silu
from ..numba_products import BLOCK, linear_parallel, product


def swiglu(
    x: Float[np.ndarray, "*batch dim"],
    w_gate: Float[np.ndarray, "ffn_dim dim"],
    w_up: Float[np.ndarray, "ffn_dim dim"],
    w_down: Float[np.ndarray, "dim ffn_dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`."""
    ffn_dim, dim = w_gate.shape
    if x.shape[-1] != dim or w_up.shape != (ffn_dim, dim) or w_down.shape != (dim, ffn_dim):
        raise ValueError(
            f"x, w_gate, w_up and w_down have shapes {x.shape}, {w_gate.shape}, {w_up.shape} and {w_down.shape}, "
            "expected (..., dim), (ffn_dim, dim), (ffn_dim, dim) and (dim, ffn_dim)"
        )
    tokens, w_gate, w_up, w_down = (np.ascontiguousarray(a) for a in (x.reshape(-1, dim), w_gate, w_up, w_down))
    gate = np.empty((len(tokens), ffn_dim), np.float32)
    hidden = np.empty((len(tokens), ffn_dim), np.float32)
    result = np.empty_like(tokens)
    _gated(tokens, w_gate, w_up, gate, hidden)
    linear_parallel(hidden, w_down, result)
    return result.reshape(x.shape)


_MATRIX = "float32[:, ::1]"


@njit(f"({', '.join([_MATRIX] * 5)})", parallel=True, error_model="numpy", cache=True)
def _gated(x, w_gate, w_up, gate, hidden):
    columns = hidden.shape[1]
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, min((block + 1) * BLOCK, columns)
        product(x, w_gate, first, last, gate)
        product(x, w_up, first, last, hidden)
        for row in range(x.shape[0]):
            for column in range(first, last):
                hidden[row, column] *= silu(gate[row, column])
