"""Both weights packed once into tiles of 16 outputs; a tile gets its bias and activation before it leaves the cache."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import GELU_TANH, filled_bias, pack, packed_alike, packed_feed_forward


def prepare(w_in, b_in, w_out, b_out):
    if w_out.shape != w_in.shape[::-1] or (len(b_in), len(b_out)) != w_in.shape:
        raise ValueError(
            f"w_in, b_in, w_out and b_out have shapes {w_in.shape}, {b_in.shape}, {w_out.shape} and {b_out.shape}, "
            "expected (ffn_dim, dim), (ffn_dim,), (dim, ffn_dim) and (dim,)"
        )
    return packed_alike(w_in), *pack(w_out), filled_bias(b_in), filled_bias(b_out)


def gpt2_mlp(
    x: Float[np.ndarray, "*batch dim"],
    w_in: Float32[np.ndarray, "tiles dim 16"],
    w_out: Float32[np.ndarray, "out_tiles ffn_dim 16"],
    shape: tuple[int, int],
    b_in: Float32[np.ndarray, " filled_ffn_dim"],
    b_out: Float32[np.ndarray, " filled_dim"],
) -> Float[np.ndarray, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`."""
    return packed_feed_forward(x, w_in, w_out, shape, GELU_TANH, b_in, b_out)
