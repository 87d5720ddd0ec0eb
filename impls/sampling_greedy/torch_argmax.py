"""What PyTorch offers."""

import torch
from jaxtyping import Float, Int32


def sampling_greedy(logits: Float[torch.Tensor, "batch vocab_size"]) -> Int32[torch.Tensor, " batch"]:
    """`torch.argmax`; which of equal ones it gives, it does not say."""
    return logits.argmax(dim=-1).to(torch.int32)
