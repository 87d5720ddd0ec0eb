"""Written with PyTorch's operations: one product, which widens the bytes."""

import torch
from jaxtyping import Float32, Int8


def dequantise(
    quantised: Int8[torch.Tensor, "*batch dim"], scales: Float32[torch.Tensor, "*batch groups"]
) -> Float32[torch.Tensor, "*batch dim"]:
    """`byte * scale`, each scale for 32 of the last axis."""
    return (quantised.unflatten(-1, (-1, 32)) * scales[..., None]).flatten(-2)
