"""What PyTorch offers, on the part of the cache that is filled."""

import torch
from jaxtyping import Float


def attention_decode(
    q: Float[torch.Tensor, "batch heads head_dim"],
    k_cache: Float[torch.Tensor, "batch context kv_heads head_dim"],
    v_cache: Float[torch.Tensor, "batch context kv_heads head_dim"],
    length: int,
) -> Float[torch.Tensor, "batch heads head_dim"]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q[:, :, None],
        k_cache[:, :length].transpose(1, 2),
        v_cache[:, :length].transpose(1, 2),
        enable_gqa=q.shape[1] != k_cache.shape[2],
    )
    return mixed[:, :, 0]
