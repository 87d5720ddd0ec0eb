"""What a user of PyTorch writes: operations that end with an underscore, on queries and keys one after the other."""

import torch
from jaxtyping import Float


def rope_in_place(
    q: Float[torch.Tensor, "*batch seq heads head_dim"],
    k: Float[torch.Tensor, "*batch seq kv_heads head_dim"],
    cos: Float[torch.Tensor, "seq half"],
    sin: Float[torch.Tensor, "seq half"],
) -> tuple[Float[torch.Tensor, "*batch seq heads head_dim"], Float[torch.Tensor, "*batch seq kv_heads head_dim"]]:
    """Turn the pairs (x[i], x[i + head_dim / 2]) in place; float32 within."""
    cos, sin = cos[:, None].float(), sin[:, None].float()
    for x in (q, k):
        real, imaginary = x.chunk(2, dim=-1)
        turned = real * sin + imaginary * cos
        real.mul_(cos).sub_(imaginary * sin)
        imaginary.copy_(turned)
    return q, k
