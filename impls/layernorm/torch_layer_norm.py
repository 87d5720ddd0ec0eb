"""What PyTorch offers."""

import torch
from jaxtyping import Float


def layernorm(
    x: Float[torch.Tensor, "*batch dim"],
    gain: Float[torch.Tensor, " dim"],
    bias: Float[torch.Tensor, " dim"],
    eps: float,
) -> Float[torch.Tensor, "*batch dim"]:
    """`torch.nn.functional.layer_norm`."""
    return torch.nn.functional.layer_norm(x, gain.shape, gain, bias, eps)
