"""Written with PyTorch's operations, into slices of the cache."""

import torch
from jaxtyping import Float32, Int8

from ..torch_quantisation import quantised_groups


def kv_append_int8(
    keys_cache: Int8[torch.Tensor, "batch heads positions head_dim"],
    values_cache: Int8[torch.Tensor, "batch heads positions head_dim"],
    key_scales: Float32[torch.Tensor, "batch heads positions"],
    value_scales: Float32[torch.Tensor, "batch heads positions"],
    keys: Float32[torch.Tensor, "batch heads seq head_dim"],
    values: Float32[torch.Tensor, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Int8[torch.Tensor, "batch heads positions head_dim"],
    Int8[torch.Tensor, "batch heads positions head_dim"],
    Float32[torch.Tensor, "batch heads positions"],
    Float32[torch.Tensor, "batch heads positions"],
]:
    """The caches, now with `keys` and `values` from `position` on."""
    end = position + keys.shape[2]
    for cache, cache_scales, new in ((keys_cache, key_scales, keys), (values_cache, value_scales, values)):
        cache[:, :, position:end], cache_scales[:, :, position:end] = quantised_groups(new)
    return keys_cache, values_cache, key_scales, value_scales
