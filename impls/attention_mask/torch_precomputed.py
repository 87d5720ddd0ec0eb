"""What a user of PyTorch writes: a mask to add, built once."""

import torch
from jaxtyping import Float, Int


def prepare(positions: Int[torch.Tensor, " seq"], key_positions: Int[torch.Tensor, " keys"], window: int):
    distance = positions[:, None] - key_positions
    mask = torch.zeros(distance.shape, device=distance.device)
    return (mask.masked_fill((distance < 0) | (distance >= window), -torch.inf),)


def attention_mask(
    scores: Float[torch.Tensor, "batch heads seq keys"],
    mask: Float[torch.Tensor, "seq keys"],
) -> Float[torch.Tensor, "batch heads seq keys"]:
    """A sum, which takes a fraction of the time of `Tensor.masked_fill`."""
    return scores + mask.to(scores.dtype)
