"""What PyTorch offers: the logits below the k-th are masked, as transformers does, and the rest are drawn from."""

import torch
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.torch_searchsorted import passed


def sampling_top_k(
    logits: Float[torch.Tensor, "batch vocab_size"],
    uniform: Float32[torch.Tensor, " batch"],
    temperature: float,
    k: int,
) -> Int32[torch.Tensor, " batch"]:
    """`torch.topk` and `masked_fill`, then as `sampling_temperature`."""
    bound = logits.topk(min(k, logits.shape[-1]), dim=-1).values[:, -1:]
    kept = logits.masked_fill(logits < bound, -torch.inf)
    return passed(torch.softmax(kept.float() / temperature, dim=-1), uniform)
