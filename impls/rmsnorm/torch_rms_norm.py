"""What PyTorch offers."""

import torch
from jaxtyping import Float


def rmsnorm(
    x: Float[torch.Tensor, "*batch dim"], gain: Float[torch.Tensor, " dim"], eps: float
) -> Float[torch.Tensor, "*batch dim"]:
    """`torch.nn.functional.rms_norm`."""
    return torch.nn.functional.rms_norm(x, gain.shape, gain, eps)
