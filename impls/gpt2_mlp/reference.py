"""The definition."""

import numpy as np
from jaxtyping import Float


def gpt2_mlp(
    x: Float[np.ndarray, "*batch dim"],
    w_in: Float[np.ndarray, "ffn_dim dim"],
    b_in: Float[np.ndarray, " ffn_dim"],
    w_out: Float[np.ndarray, "dim ffn_dim"],
    b_out: Float[np.ndarray, " dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`, computed in at least float32; weights are `[out, in]`."""
    wide = np.result_type(x.dtype, np.float32)
    x_wide, w_in, b_in, w_out, b_out = (array.astype(wide, copy=False) for array in (x, w_in, b_in, w_out, b_out))
    hidden = x_wide @ w_in.T + b_in
    with np.errstate(over="ignore"):  # the cube of a large number is infinite, and its tanh then 1
        hidden = hidden / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    return (hidden @ w_out.T + b_out).astype(x.dtype, copy=False)
