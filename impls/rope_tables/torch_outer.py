"""What a user of PyTorch writes who has noticed that float32 angles are wrong far into a text."""

import torch
from jaxtyping import Float32, Float64, Int


def prepare(head_dim, theta):
    return (theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim),)


def rope_tables(
    positions: Int[torch.Tensor, " seq"], frequencies: Float64[torch.Tensor, " half"]
) -> tuple[Float32[torch.Tensor, "seq half"], Float32[torch.Tensor, "seq half"]]:
    """Cosine and sine of `positions * theta ** (-2 i / head_dim)`."""
    angles = torch.outer(positions.double(), frequencies)
    return angles.cos().float(), angles.sin().float()
