"""What PyTorch offers."""

import torch
from jaxtyping import Float, Int32


def lm_head_argmax(
    hidden: Float[torch.Tensor, "batch dim"], weight: Float[torch.Tensor, "vocab_size dim"]
) -> Int32[torch.Tensor, " batch"]:
    """`torch.nn.functional.linear` and `argmax`."""
    return torch.nn.functional.linear(hidden, weight).argmax(dim=-1).to(torch.int32)
