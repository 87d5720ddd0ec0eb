"""What PyTorch offers: a mask of what each position sees, built once for each length, as a model would hold it."""

from functools import cache

import torch
from jaxtyping import Float


def sliding_window_attention(
    q: Float[torch.Tensor, "batch seq heads head_dim"],
    k: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    v: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    window: int,
) -> Float[torch.Tensor, "batch seq heads head_dim"]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2),
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=_seen(q.shape[1], window, q.device),
        enable_gqa=q.shape[2] != k.shape[2],
    )
    return mixed.transpose(1, 2)


@cache
def _seen(seq, window, device):
    return torch.ones(seq, seq, dtype=torch.bool, device=device).tril().triu(1 - window)
