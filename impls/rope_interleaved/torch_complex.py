"""What a user of PyTorch writes: pairs seen as complex numbers, as in Meta's Llama."""

import torch
from jaxtyping import Float


def rope_interleaved(
    x: Float[torch.Tensor, "*batch seq heads head_dim"],
    cos: Float[torch.Tensor, "seq half"],
    sin: Float[torch.Tensor, "seq half"],
) -> Float[torch.Tensor, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1]); float32 within."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    turns = torch.complex(cos.float(), sin.float())
    return torch.view_as_real(pairs * turns[:, None]).flatten(-2).to(x.dtype)
