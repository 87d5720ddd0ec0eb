"""What PyTorch offers."""

import torch
from jaxtyping import Float, Int32


def cross_entropy(
    logits: Float[torch.Tensor, "rows vocab_size"], targets: Int32[torch.Tensor, " rows"]
) -> Float[torch.Tensor, " rows"]:
    """`torch.nn.functional.cross_entropy`, which takes 64-bit ids only."""
    return torch.nn.functional.cross_entropy(logits, targets.long(), reduction="none")
