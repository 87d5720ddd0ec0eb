"""What the cache kernels check before they write: NumPy, Numba and JAX alike would clamp, or write elsewhere."""

import operator


def check_append(caches, new, position) -> int:
    """The end of the positions to write; ValueError unless they lie within every cache and the shapes fit.

    Caches are `[batch, kv_heads, positions, head_dim]` and what is appended is `[batch, kv_heads, seq, head_dim]`.
    """
    positions = caches[0].shape[2]
    for name, cache, array in zip(("keys", "values"), caches, new, strict=True):
        batch, heads, length, head_dim = cache.shape
        seq = new[0].shape[2]
        if length != positions or tuple(array.shape) != (batch, heads, seq, head_dim):
            raise ValueError(
                f"{name} has shape {tuple(array.shape)} and its cache {tuple(cache.shape)}, expected "
                f"{(batch, heads, seq, head_dim)} for a cache of {positions} positions"
            )
    first = operator.index(position)
    if not 0 <= first <= positions - seq:
        raise ValueError(
            f"position is {first}, expected 0 to {positions - seq}: {seq} more in a cache of {positions} positions"
        )
    return first + seq


def check_length(cache, length) -> int:
    """`length` as an int; ValueError unless the cache has that many positions."""
    wanted = operator.index(length)
    if not 0 <= wanted <= cache.shape[2]:
        raise ValueError(f"length is {wanted}, expected 0 to {cache.shape[2]}, the positions of the cache")
    return wanted


def check_cache_scales(caches, scales) -> None:
    """ValueError unless each cache has a scale for every vector of a head."""
    for name, cache, array in zip(("key_scales", "value_scales"), caches, scales, strict=False):
        if tuple(array.shape) != tuple(cache.shape[:3]):
            raise ValueError(f"{name} has shape {tuple(array.shape)}, expected {tuple(cache.shape[:3])}")
