"""What PyTorch offers."""

import torch
from jaxtyping import Float, Int32


def embedding_position(
    ids: Int32[torch.Tensor, "batch seq"],
    start: int,
    tokens: Float[torch.Tensor, "vocab_size dim"],
    positions: Float[torch.Tensor, "context dim"],
) -> Float[torch.Tensor, "batch seq dim"]:
    """`torch.nn.functional.embedding`, and the rows of the positions added in place."""
    return torch.nn.functional.embedding(ids, tokens).add_(positions[start : start + ids.shape[1]])
