"""Three BLAS products; the activation in place between them. bfloat16 weights are widened once."""

import numpy as np
from jaxtyping import Float


def prepare(w_gate, w_up, w_down):
    return tuple(weight.astype(np.float32, copy=False) for weight in (w_gate, w_up, w_down))


def swiglu(
    x: Float[np.ndarray, "*batch dim"],
    w_gate: Float[np.ndarray, "ffn_dim dim"],
    w_up: Float[np.ndarray, "ffn_dim dim"],
    w_down: Float[np.ndarray, "dim ffn_dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, float32 within."""
    wide = x.astype(np.float32, copy=False)
    gate = wide @ w_gate.T
    hidden = wide @ w_up.T
    hidden *= gate
    np.negative(gate, out=gate)
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and silu then 0
        np.exp(gate, out=gate)
    gate += 1
    hidden /= gate
    return (hidden @ w_down.T).astype(x.dtype, copy=False)
