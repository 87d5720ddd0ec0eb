"""What PyTorch offers: the tail of the sorted probabilities is cut off, as transformers does."""

import torch
from jaxtyping import Float, Float32, Int32

from ..sampling_temperature.torch_searchsorted import passed


def sampling_top_p(
    logits: Float[torch.Tensor, "batch vocab_size"],
    uniform: Float32[torch.Tensor, " batch"],
    temperature: float,
    p: float,
) -> Int32[torch.Tensor, " batch"]:
    """`torch.sort` and `torch.cumsum` find the bound, then as `sampling_temperature`."""
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    descending = probabilities.sort(dim=-1, descending=True).values
    sums = descending.cumsum(dim=-1)
    count = (sums < p * sums[:, -1:]).sum(dim=-1, keepdim=True)
    bound = descending.gather(-1, count.clamp(max=descending.shape[-1] - 1))
    return passed(probabilities.masked_fill(probabilities < bound, 0), uniform)
