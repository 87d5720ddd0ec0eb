"""Both weights packed once in pairs of bfloat16; bias and activation are added in float32, before the rounding."""

import numpy as np
from jaxtyping import BFloat16, Float32, UInt16

from ..packed.linear import GELU_TANH, packed_feed_forward
from . import numba_packed

prepare = numba_packed.prepare


def gpt2_mlp(
    x: BFloat16[np.ndarray, "*batch dim"],
    w_in: UInt16[np.ndarray, "tiles pairs 16 2"],
    w_out: UInt16[np.ndarray, "out_tiles out_pairs 16 2"],
    shape: tuple[int, int],
    b_in: Float32[np.ndarray, " filled_ffn_dim"],
    b_out: Float32[np.ndarray, " filled_dim"],
) -> BFloat16[np.ndarray, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`, each product accumulated in float32."""
    return packed_feed_forward(x, w_in, w_out, shape, GELU_TANH, b_in, b_out)
