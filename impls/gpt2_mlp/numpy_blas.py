"""Two BLAS products; the activation in place between them. bfloat16 weights are widened once."""

import numpy as np
from jaxtyping import Float


def prepare(w_in, b_in, w_out, b_out):
    return tuple(array.astype(np.float32, copy=False) for array in (w_in, b_in, w_out, b_out))


def gpt2_mlp(
    x: Float[np.ndarray, "*batch dim"],
    w_in: Float[np.ndarray, "ffn_dim dim"],
    b_in: Float[np.ndarray, " ffn_dim"],
    w_out: Float[np.ndarray, "dim ffn_dim"],
    b_out: Float[np.ndarray, " dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`."""
    hidden = x.astype(np.float32, copy=False) @ w_in.T
    hidden += b_in
    with np.errstate(over="ignore"):  # the square of a large number is infinite, and the tanh then 1
        inner = np.square(hidden)
        inner *= np.float32(0.044715)
        inner += np.float32(1)
        inner *= hidden
    inner *= np.float32(np.sqrt(2 / np.pi))
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= np.float32(0.5)
    hidden *= inner
    result = hidden @ w_out.T
    result += b_out
    return result.astype(x.dtype, copy=False)
