"""What PyTorch offers: scaling and mask in one call, softmax in another."""

import torch
from jaxtyping import Float


def masked_softmax(
    scores: Float[torch.Tensor, "heads queries keys"],
    mask: Float[torch.Tensor, "queries keys"],
    scale: float,
) -> Float[torch.Tensor, "heads queries keys"]:
    """`torch.add` and `torch.softmax`; then 0 for queries without a key, should there be any."""
    result = torch.softmax(torch.add(mask.float(), scores, alpha=scale), dim=-1).to(scores.dtype)
    unseeing = mask.amax(dim=-1, keepdim=True) == -torch.inf
    return result.masked_fill_(unseeing, 0) if unseeing.any() else result
