"""What PyTorch offers."""

import torch
from jaxtyping import Float


def log_softmax(x: Float[torch.Tensor, "*batch n"]) -> Float[torch.Tensor, "*batch n"]:
    """`torch.log_softmax`."""
    return torch.log_softmax(x, dim=-1)
