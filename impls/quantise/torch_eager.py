"""Written with PyTorch's operations, as its quantisation libraries do for groups on a CPU."""

import torch
from jaxtyping import Float32, Int8

from ..torch_quantisation import GROUP, quantised_groups


def quantise(
    x: Float32[torch.Tensor, "*batch dim"],
) -> tuple[Int8[torch.Tensor, "*batch dim"], Float32[torch.Tensor, "*batch groups"]]:
    """Bytes and their scales, one for each 32 of the last axis: `x` is about `byte * scale`."""
    quantised, scales = quantised_groups(x.unflatten(-1, (-1, GROUP)))
    return quantised.to(torch.int8).flatten(-2), scales
