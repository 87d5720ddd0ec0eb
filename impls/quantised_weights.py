"""What the specs of products with quantised weights share: the weights, the cases, and the size of a result."""

import ml_dtypes
import numpy as np

from .products import normal, size_of_product
from .quantisation import GROUP, dequantised_weight

CASES = {
    "stories15M-decode-b1": {"tokens": 1, "dim": 288, "out_dim": 768},
    "stories15M-prefill-256": {"tokens": 256, "dim": 288, "out_dim": 768},
    "llama-1B-decode-b1": {"tokens": 1, "dim": 2048, "out_dim": 2048},
    "llama-1B-decode-b32": {"tokens": 32, "dim": 2048, "out_dim": 2048},
}
HEAVY = {
    "llama-1B-prefill-256": {"tokens": 256, "dim": 2048, "out_dim": 2048},
    "stories15M-decode-b32": {"tokens": 32, "dim": 288, "out_dim": 768},
    "gpt2-decode-b1": {"tokens": 1, "dim": 768, "out_dim": 3072},
    "gpt2-decode-b32": {"tokens": 32, "dim": 768, "out_dim": 3072},
    "gpt2-prefill-64": {"tokens": 64, "dim": 768, "out_dim": 3072},
    "gpt2-prefill-1024": {"tokens": 1024, "dim": 768, "out_dim": 3072},
    "llama-1B-ffn-decode-b1": {"tokens": 1, "dim": 2048, "out_dim": 8192},
    "llama-1B-ffn-prefill-64": {"tokens": 64, "dim": 2048, "out_dim": 8192},
}
# A single row, and more than two panels of 8; outputs that no tile divides.
DOMAIN = {"tokens": (1, 17), "dim": (32, 96), "out_dim": (1, 40)}


def activations(rng, dtype, tokens, dim):
    return normal(rng, dtype, tokens, dim)


def int8_weight(rng, out_dim, dim):
    """Bytes of -127 to 127, and bfloat16 scales that give a product the size of its activations."""
    return rng.integers(-127, 128, (out_dim, dim), np.int8), _scales(rng, out_dim, dim, 127)


def int4_weight(rng, out_dim, dim):
    """Two numbers of -8 to 7 a byte, as `quantisation.unpacked_int4` reads them, and bfloat16 scales."""
    return rng.integers(0, 256, (out_dim, dim // 2), np.uint8), _scales(rng, out_dim, dim, 8)


def _scales(rng, out_dim, dim, largest):
    scales = rng.uniform(0.5, 2, (out_dim, dim // GROUP)) / (largest * np.sqrt(dim))
    return scales.astype(ml_dtypes.bfloat16)


def bytes_moved(itemsize, tokens, dim, out_dim, bits):
    """Weights of so many bits with a scale of two bytes for each 32, activations and results."""
    weights = dim * out_dim * (bits / 8 + 2 / GROUP)
    return weights + itemsize * tokens * (dim + out_dim)


def size(x, weight, scales):
    """The natural scale of a product with quantised weights."""
    return size_of_product(x, dequantised_weight(weight, scales, np.float64))
