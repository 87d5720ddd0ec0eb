"""What PyTorch offers: a mask over all positions, built once."""

import torch
from jaxtyping import Bool, Float, Int


def prepare(blocks: Int[torch.Tensor, "query_blocks present"], block: int):
    listed = (blocks[:, :, None] == torch.arange(len(blocks), device=blocks.device)).any(dim=1)
    return (listed.repeat_interleave(block, 0).repeat_interleave(block, 1).tril(),)


def block_sparse_attention(
    q: Float[torch.Tensor, "batch seq heads head_dim"],
    k: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    v: Float[torch.Tensor, "batch seq kv_heads head_dim"],
    seen: Bool[torch.Tensor, "padded padded"],
) -> Float[torch.Tensor, "batch seq heads head_dim"]:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    seq = q.shape[1]
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2),
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=seen[:seq, :seq],
        enable_gqa=q.shape[2] != k.shape[2],
    )
    return mixed.transpose(1, 2)
