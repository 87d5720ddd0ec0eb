"""One product with the three weights below each other, as vLLM keeps them; queries, keys and values are views."""

import torch
from jaxtyping import Float


def prepare(w_q, w_k, w_v):
    return torch.cat([w_q, w_k, w_v]), [len(w_q), len(w_k), len(w_v)]


def qkv(
    x: Float[torch.Tensor, "*batch dim"], weight: Float[torch.Tensor, "out dim"], sizes: list[int]
) -> tuple[
    Float[torch.Tensor, "*batch q_dim"], Float[torch.Tensor, "*batch kv_dim"], Float[torch.Tensor, "*batch kv_dim"]
]:
    """`torch.nn.functional.linear`, split."""
    return torch.nn.functional.linear(x, weight).split(sizes, dim=-1)
