"""The definition: the bytes of the activations are those of float32 whatever the dtype, the rest is no less."""

import numpy as np
from jaxtyping import Float, UInt8

from ..quantisation import check_linear, dequantised_weight, grouped, quantised_groups, unpacked_int4


def linear_int4_int8(
    x: Float[np.ndarray, "*batch dim"],
    weight: UInt8[np.ndarray, "out half_dim"],
    scales: Float[np.ndarray, "out groups"],
) -> Float[np.ndarray, "*batch out"]:
    """`x` in bytes times their scales, `@ (unpacked weight * scales).T`."""
    unpacked = unpacked_int4(weight)
    check_linear(x, *unpacked.shape)
    wide = np.result_type(x.dtype, np.float32)
    quantised, steps = quantised_groups(grouped(x))
    rounded = (quantised * steps.astype(wide)[..., None]).reshape(x.shape)
    return (rounded @ dequantised_weight(unpacked, scales, wide).T).astype(x.dtype, copy=False)
