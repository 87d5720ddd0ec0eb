"""What a PyTorch user writes."""

import torch
from jaxtyping import Float, Float32


def kv_read(
    cache: Float[torch.Tensor, "batch heads positions head_dim"], length: int
) -> Float32[torch.Tensor, "batch heads length head_dim"]:
    """`float()` and `contiguous()` of a slice, of which one copies."""
    return cache[:, :, :length].float().contiguous()
