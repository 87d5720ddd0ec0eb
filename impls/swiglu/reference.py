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
    gate = x.astype(wide) @ w_gate.T.astype(wide)
    up = x.astype(wide) @ w_up.T.astype(wide)
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and silu then 0
        hidden = gate / (1 + np.exp(-gate)) * up
    return (hidden @ w_down.T.astype(wide)).astype(x.dtype)
