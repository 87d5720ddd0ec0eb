"""What PyTorch offers."""

import torch
from jaxtyping import Float


def linear(
    x: Float[torch.Tensor, "*batch dim"], weight: Float[torch.Tensor, "out dim"]
) -> Float[torch.Tensor, "*batch out"]:
    """`torch.nn.functional.linear`."""
    return torch.nn.functional.linear(x, weight)
