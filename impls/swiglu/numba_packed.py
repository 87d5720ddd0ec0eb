"""Gate and up weights packed once, tile by tile in turns, so that one pass gives the hidden row."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import GATED, pack, pack_pair, packed_feed_forward


def prepare(w_gate, w_up, w_down):
    if w_gate.shape != w_up.shape or w_down.shape != w_gate.shape[::-1]:
        raise ValueError(
            f"w_gate, w_up and w_down have shapes {w_gate.shape}, {w_up.shape} and {w_down.shape}, "
            "expected (ffn_dim, dim) twice and (dim, ffn_dim)"
        )
    return pack_pair(w_gate, w_up), *pack(w_down)


def swiglu(
    x: Float[np.ndarray, "*batch dim"],
    gate_up: Float32[np.ndarray, "tiles dim 16"],
    w_down: Float32[np.ndarray, "down_tiles ffn_dim 16"],
    shape: tuple[int, int],
) -> Float[np.ndarray, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`."""
    return packed_feed_forward(x, gate_up, w_down, shape, GATED)
