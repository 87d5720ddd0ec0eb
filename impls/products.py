"""What the specs of products with weights share: arrays of a trained model's size, and the natural scale of a sum."""

import numpy as np


def normal(rng, dtype, *shape):
    """Standard normal numbers."""
    return rng.standard_normal(shape, np.float32).astype(dtype)


def matrix(rng, dtype, rows, columns):
    """A weight `[out, in]` of a size that keeps activations what they are."""
    return (rng.standard_normal((rows, columns), np.float32) / np.float32(np.sqrt(columns))).astype(dtype)


def size_of_product(left, right):
    """The size of `left @ right.T`, had its terms random signs: cancellation is no implementation's fault."""
    return np.sqrt(np.square(left) @ np.square(right).T)


def check_shape(name, array, expected):
    """ValueError unless the array has that shape."""
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
