"""PyTorch's product of bytes, `torch._int_mm`: once for each group, since it sums in int32 along a whole axis."""

import torch
from jaxtyping import Float, Float32, Int8

from ..torch_quantisation import GROUP, quantised_groups


def prepare(weight, scales):
    out, dim = weight.shape
    return weight.view(out, dim // GROUP, GROUP).permute(1, 2, 0).contiguous(), scales.float().T.contiguous()


def linear_int8_int8(
    x: Float[torch.Tensor, "*batch dim"],
    weight: Int8[torch.Tensor, "groups 32 out"],
    scales: Float32[torch.Tensor, "groups out"],
) -> Float[torch.Tensor, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`."""
    groups, _, out = weight.shape
    quantised, steps = quantised_groups(x.reshape(-1, groups, GROUP).transpose(0, 1))
    result = torch.zeros((quantised.shape[1], out))
    for group, bytes_of in enumerate(quantised.to(torch.int8)):
        result.addcmul_(torch._int_mm(bytes_of, weight[group]), steps[group, :, None] * scales[group])
    return result.to(x.dtype).reshape(*x.shape[:-1], out)
