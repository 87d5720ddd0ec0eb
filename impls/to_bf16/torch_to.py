"""What PyTorch offers."""

import torch
from jaxtyping import BFloat16, Float32


def to_bf16(x: Float32[torch.Tensor, "*shape"]) -> BFloat16[torch.Tensor, "*shape"]:
    """`Tensor.to(torch.bfloat16)`."""
    return x.to(torch.bfloat16)
