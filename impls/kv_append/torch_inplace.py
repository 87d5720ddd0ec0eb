"""What a PyTorch user writes: assignment to a slice of the cache."""

import torch
from jaxtyping import Float


def kv_append(
    keys_cache: Float[torch.Tensor, "batch heads positions head_dim"],
    values_cache: Float[torch.Tensor, "batch heads positions head_dim"],
    keys: Float[torch.Tensor, "batch heads seq head_dim"],
    values: Float[torch.Tensor, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Float[torch.Tensor, "batch heads positions head_dim"], Float[torch.Tensor, "batch heads positions head_dim"]
]:
    """The caches, now with `keys` and `values` from `position` on."""
    end = position + keys.shape[2]
    keys_cache[:, :, position:end] = keys
    values_cache[:, :, position:end] = values
    return keys_cache, values_cache
