"""What PyTorch offers: with a mask of the slots that are seen, or none where that is all of them."""

import torch
from jaxtyping import Float


def attention_decode_ring(
    q: Float[torch.Tensor, "batch heads head_dim"],
    k_cache: Float[torch.Tensor, "batch context kv_heads head_dim"],
    v_cache: Float[torch.Tensor, "batch context kv_heads head_dim"],
    length: int,
    window: int,
) -> Float[torch.Tensor, "batch heads head_dim"]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    context, count = k_cache.shape[1], min(length, window)
    seen = None
    if count < context:
        seen = torch.remainder(length - 1 - torch.arange(context, device=q.device), context) < count
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q[:, :, None],
        k_cache.transpose(1, 2),
        v_cache.transpose(1, 2),
        attn_mask=seen if seen is None else seen[None],
        enable_gqa=q.shape[1] != k_cache.shape[2],
    )
    return mixed[:, :, 0]
