"""What PyTorch offers: a normalisation, and one product with the three weights below each other, as vLLM keeps them."""

import torch
from jaxtyping import Float


def prepare(gain, w_q, w_k, w_v, eps):
    return gain, torch.cat([w_q, w_k, w_v]), [len(w_q), len(w_k), len(w_v)], eps


def rmsnorm_qkv(
    x: Float[torch.Tensor, "*batch dim"],
    gain: Float[torch.Tensor, " dim"],
    weight: Float[torch.Tensor, "out dim"],
    sizes: list[int],
    eps: float,
) -> tuple[
    Float[torch.Tensor, "*batch q_dim"], Float[torch.Tensor, "*batch kv_dim"], Float[torch.Tensor, "*batch kv_dim"]
]:
    """`torch.nn.functional.rms_norm` and `torch.nn.functional.linear`."""
    normed = torch.nn.functional.rms_norm(x, gain.shape, gain, eps)
    return torch.nn.functional.linear(normed, weight).split(sizes, dim=-1)
