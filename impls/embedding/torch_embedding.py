"""What PyTorch offers."""

import torch
from jaxtyping import Float, Int32


def embedding(
    ids: Int32[torch.Tensor, "*batch"], table: Float[torch.Tensor, "vocab_size dim"]
) -> Float[torch.Tensor, "*batch dim"]:
    """`torch.nn.functional.embedding`."""
    return torch.nn.functional.embedding(ids, table)
