"""Gate and up weights packed tile by tile in turns once, in pairs of bfloat16; the hidden rows are bfloat16 too."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..packed.linear import GATED, packed_feed_forward
from . import numba_packed

prepare = numba_packed.prepare


def swiglu(
    x: BFloat16[np.ndarray, "*batch dim"],
    gate_up: UInt16[np.ndarray, "tiles pairs 16 2"],
    w_down: UInt16[np.ndarray, "down_tiles down_pairs 16 2"],
    shape: tuple[int, int],
) -> BFloat16[np.ndarray, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, each product accumulated in float32."""
    return packed_feed_forward(x, gate_up, w_down, shape, GATED)
