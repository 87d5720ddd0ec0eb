"""What PyTorch offers."""

import torch
from jaxtyping import Float


def softmax(x: Float[torch.Tensor, "*batch n"]) -> Float[torch.Tensor, "*batch n"]:
    """`torch.softmax`."""
    return torch.softmax(x, dim=-1)
