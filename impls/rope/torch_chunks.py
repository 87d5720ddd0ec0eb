"""What a user of PyTorch writes, which has no operation for it."""

import torch
from jaxtyping import Float


def rope(
    x: Float[torch.Tensor, "*batch seq heads head_dim"],
    cos: Float[torch.Tensor, "seq half"],
    sin: Float[torch.Tensor, "seq half"],
) -> Float[torch.Tensor, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2]); float32 within."""
    real, imaginary = x.float().chunk(2, dim=-1)
    cos, sin = cos[:, None].float(), sin[:, None].float()
    turned = torch.cat((real * cos - imaginary * sin, real * sin + imaginary * cos), dim=-1)
    return turned.to(x.dtype)
