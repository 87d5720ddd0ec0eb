"""What PyTorch offers."""

import torch
from jaxtyping import Float


def gelu_erf(x: Float[torch.Tensor, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """`torch.nn.functional.gelu`."""
    return torch.nn.functional.gelu(x)
