"""What PyTorch offers: on a CPU its flash kernel, for which heads that share keys are told apart by `enable_gqa`."""

import torch
from jaxtyping import Float


def attention_prefill(
    q: Float[torch.Tensor, "batch seq heads head_dim"],
    k: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    v: Float[torch.Tensor, "batch seq kv_heads head_dim"],
) -> Float[torch.Tensor, "batch seq heads head_dim"]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=q.shape[2] != k.shape[2]
    )
    return mixed.transpose(1, 2)
