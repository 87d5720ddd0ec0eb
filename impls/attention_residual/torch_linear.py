"""What PyTorch offers: its attention, its linear layer, and a sum."""

import torch
from jaxtyping import Float

from ..attention_prefill.torch_scaled_dot_product_attention import attention_prefill


def attention_residual(
    residual: Float[torch.Tensor, "batch seq dim"],
    q: Float[torch.Tensor, "batch seq heads head_dim"],
    k: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    v: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    w_output: Float[torch.Tensor, "dim queries"],
) -> Float[torch.Tensor, "batch seq dim"]:
    """`scaled_dot_product_attention` and `linear` of `torch.nn.functional`."""
    return residual + torch.nn.functional.linear(attention_prefill(q, k, v).flatten(2), w_output)
