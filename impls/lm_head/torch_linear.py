"""What PyTorch offers."""

import torch
from jaxtyping import Float


def lm_head(
    hidden: Float[torch.Tensor, "batch dim"], weight: Float[torch.Tensor, "vocab_size dim"]
) -> Float[torch.Tensor, "batch vocab_size"]:
    """`torch.nn.functional.linear`."""
    return torch.nn.functional.linear(hidden, weight)
