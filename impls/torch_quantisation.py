"""Quantising written with PyTorch's operations, to the bit as `quantisation` defines it."""

import torch

GROUP = 32


def quantised_groups(x):
    """The bytes, still as float32, and the scales of groups along the last axis."""
    x = x.float()
    largest = x.abs().amax(dim=-1)
    scales = (largest * (1 / 127)).masked_fill_(largest < 2.0**-118, 0)
    inverse = scales.reciprocal().masked_fill_(scales == 0, 0)
    return (x * inverse[..., None]).round_(), scales


def rounded(x):
    """`x` in bytes times their scales, in float32."""
    quantised, scales = quantised_groups(x.unflatten(-1, (-1, GROUP)))
    return (quantised * scales[..., None]).flatten(-2)


def dequantised_weight(weight, scales):
    """`weight` int8 `[out, dim]` times its scales `[out, dim / 32]`, in float32."""
    return (weight.unflatten(-1, (-1, GROUP)) * scales.float()[..., None]).flatten(-2)


def unpacked_int4(weight):
    """As `quantisation.unpacked_int4`."""
    pairs = weight.unflatten(-1, (-1, GROUP // 2))
    return torch.cat([pairs & 15, pairs >> 4], dim=-1).to(torch.int8).flatten(-2) - 8
