"""What PyTorch offers."""

import torch
from jaxtyping import Float


def swiglu(
    x: Float[torch.Tensor, "*batch dim"],
    w_gate: Float[torch.Tensor, "ffn_dim dim"],
    w_up: Float[torch.Tensor, "ffn_dim dim"],
    w_down: Float[torch.Tensor, "dim ffn_dim"],
) -> Float[torch.Tensor, "*batch dim"]:
    """Three times `torch.nn.functional.linear`; the activation in place between them."""
    hidden = torch.nn.functional.silu(torch.nn.functional.linear(x, w_gate), inplace=True)
    hidden *= torch.nn.functional.linear(x, w_up)
    return torch.nn.functional.linear(hidden, w_down)
