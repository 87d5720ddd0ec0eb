"""What a PyTorch user does on a CPU with groups of 32: dequantise at load, and multiply in the activations' dtype."""

import torch
from jaxtyping import Float

from ..torch_quantisation import dequantised_weight


def prepare(weight, scales):
    wide = dequantised_weight(weight, scales)
    return wide, wide.to(torch.bfloat16)


def linear_int8(
    x: Float[torch.Tensor, "*batch dim"],
    weight: Float[torch.Tensor, "out dim"],
    narrow: Float[torch.Tensor, "out dim"],
) -> Float[torch.Tensor, "*batch out"]:
    """`torch.nn.functional.linear` with the weight in the dtype of `x`."""
    return torch.nn.functional.linear(x, weight if x.dtype == torch.float32 else narrow)
