"""Written with PyTorch's operations: one product, which widens the bytes."""

import torch
from jaxtyping import Float32, Int8


def kv_read_int8(
    cache: Int8[torch.Tensor, "batch heads positions head_dim"],
    scales: Float32[torch.Tensor, "batch heads positions"],
    length: int,
) -> Float32[torch.Tensor, "batch heads length head_dim"]:
    """The first `length` positions, `byte * scale`."""
    return (cache[:, :, :length] * scales[:, :, :length, None]).contiguous()
