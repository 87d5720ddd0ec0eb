"""What PyTorch offers, on the last position only, as transformers' `logits_to_keep=1` has it."""

import torch
from jaxtyping import Float


def lm_head_all(
    hidden: Float[torch.Tensor, "batch tokens dim"], weight: Float[torch.Tensor, "vocab_size dim"]
) -> Float[torch.Tensor, "batch vocab_size"]:
    """`torch.nn.functional.linear` of `hidden[:, -1]`."""
    return torch.nn.functional.linear(hidden[:, -1], weight)
