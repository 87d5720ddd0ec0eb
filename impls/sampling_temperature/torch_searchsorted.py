"""What PyTorch offers: its `multinomial` takes no number, so the cumulative probabilities are searched."""

import torch
from jaxtyping import Float, Float32, Int32


def sampling_temperature(
    logits: Float[torch.Tensor, "batch vocab_size"], uniform: Float32[torch.Tensor, " batch"], temperature: float
) -> Int32[torch.Tensor, " batch"]:
    """`torch.softmax`, `torch.cumsum` and `torch.searchsorted`."""
    return passed(torch.softmax(logits.float() / temperature, dim=-1), uniform)


def passed(
    probabilities: Float32[torch.Tensor, "batch n"], uniform: Float32[torch.Tensor, " batch"]
) -> Int32[torch.Tensor, " batch"]:
    """In each row, the first place where the cumulative probability passes `uniform`."""
    sums = probabilities.cumsum(dim=-1)
    # The sum may end a little below 1; nothing is drawn beyond it.
    targets = torch.minimum(uniform * sums[:, -1], torch.nextafter(sums[:, -1], torch.zeros_like(uniform)))
    return torch.searchsorted(sums, targets[:, None], right=True)[:, 0].to(torch.int32)
