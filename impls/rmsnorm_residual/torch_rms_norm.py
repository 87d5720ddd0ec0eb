"""What PyTorch offers: two calls."""

import torch
from jaxtyping import Float


def rmsnorm_residual(
    x: Float[torch.Tensor, "*batch dim"],
    residual: Float[torch.Tensor, "*batch dim"],
    gain: Float[torch.Tensor, " dim"],
    eps: float,
) -> tuple[Float[torch.Tensor, "*batch dim"], Float[torch.Tensor, "*batch dim"]]:
    """An addition, then `torch.nn.functional.rms_norm`."""
    total = x + residual
    return total, torch.nn.functional.rms_norm(total, gain.shape, gain, eps)
