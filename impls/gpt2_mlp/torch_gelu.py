"""What PyTorch offers."""

import torch
from jaxtyping import Float


def gpt2_mlp(
    x: Float[torch.Tensor, "*batch dim"],
    w_in: Float[torch.Tensor, "ffn_dim dim"],
    b_in: Float[torch.Tensor, " ffn_dim"],
    w_out: Float[torch.Tensor, "dim ffn_dim"],
    b_out: Float[torch.Tensor, " dim"],
) -> Float[torch.Tensor, "*batch dim"]:
    """`torch.nn.functional.linear`, `gelu` and `linear`."""
    hidden = torch.nn.functional.gelu(torch.nn.functional.linear(x, w_in, b_in), approximate="tanh")
    return torch.nn.functional.linear(hidden, w_out, b_out)
