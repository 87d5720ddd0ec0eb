"""What a PyTorch user does on a CPU with groups of 32: both sides dequantised, and multiplied in their dtype."""

import torch
from jaxtyping import Float

from ..torch_quantisation import dequantised_weight, rounded


def prepare(weight, scales):
    wide = dequantised_weight(weight, scales)
    return wide, wide.to(torch.bfloat16)


def linear_int8_int8(
    x: Float[torch.Tensor, "*batch dim"],
    weight: Float[torch.Tensor, "out dim"],
    narrow: Float[torch.Tensor, "out dim"],
) -> Float[torch.Tensor, "*batch out"]:
    """`torch.nn.functional.linear` of `x` in bytes times their scales, with the weight in the dtype of `x`."""
    return torch.nn.functional.linear(rounded(x).to(x.dtype), weight if x.dtype == torch.float32 else narrow)
