"""What PyTorch offers."""

import torch
from jaxtyping import Float


def silu(x: Float[torch.Tensor, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """`torch.nn.functional.silu`."""
    return torch.nn.functional.silu(x)
