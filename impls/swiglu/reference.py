"""The definition."""

import numpy as np
from jaxtyping import Float


def swiglu(
    x: Float[np.ndarray, "*batch dim"],
    w_gate: Float[np.ndarray, "ffn_dim dim"],
    w_up: Float[np.ndarray, "ffn_dim dim"],
    w_down: Float[np.ndarray, "dim ffn_dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, computed in at least float32; weights are `[out, in]`."""
    wide = np.result_type(x.dtype, np.float32)
    x_wide, w_gate, w_up, w_down = (array.astype(wide, copy=False) for array in (x, w_gate, w_up, w_down))
    gate, up = x_wide @ w_gate.T, x_wide @ w_up.T
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and silu then 0
        hidden = gate / (1 + np.exp(-gate)) * up
    return (hidden @ w_down.T).astype(x.dtype, copy=False)
