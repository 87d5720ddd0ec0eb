"""Where every reader ends: tensors held against the configuration, and brought into the order that the models take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
from jaxtyping import Float

from ..config import LlamaConfig

ROPE_ORDERS = ("interleaved", "half_split")

# Old Hugging Face checkpoints store RoPE's frequencies, which follow from the configuration.
_DERIVED = re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")
_READ_AS = {
    np.dtype(np.float16): np.dtype(np.float32),
    np.dtype(np.float32): np.dtype(np.float32),
    np.dtype(ml_dtypes.bfloat16): np.dtype(ml_dtypes.bfloat16),
    np.dtype(np.float64): np.dtype(np.float64),
}
_SIZES = ("dim", "layers", "heads", "kv_heads", "head_dim", "ffn_dim", "vocab_size", "tied")


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete, or of a model that is not computed here; names file and tensor."""


def settled(path: Path, found: LlamaConfig, given: LlamaConfig | None) -> LlamaConfig:
    """The configuration to use: the caller's, if there is one and its sizes are those that the checkpoint states."""
    if given is None:
        return found
    for size in _SIZES:
        if getattr(found, size) != getattr(given, size):
            raise CheckpointError(
                f"{path}: {size} is {getattr(found, size)}, but {getattr(given, size)} in the config argument"
            )
    return given


def parameters(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    config: LlamaConfig,
    rope: str,
    files: Mapping[str, Path] | None = None,
) -> dict[str, np.ndarray]:
    """Exactly the parameters of `config`, of one dtype, with the rows of q_proj and k_proj in half-split order.

    `files` names the file of each tensor where `path` is a directory. Raises CheckpointError.
    """
    files = files or {}
    _find_layers(path, tensors, config)
    shapes = config.parameter_shapes()
    for name, shape in shapes.items():
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor {name} is missing, expected shape {shape}")
        _check(files.get(name, path), name, tensors[name], shape)
    for name in tensors.keys() - shapes.keys():
        if not _DERIVED.fullmatch(name):
            _check_spare(files.get(name, path), name, tensors, config)
    dtype = np.result_type(*{_READ_AS[tensors[name].dtype.newbyteorder("=")] for name in shapes})
    result = {name: tensors[name].astype(dtype, copy=False) for name in shapes}
    if rope == "interleaved":
        for name in shapes:
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                result[name] = half_split(result[name], config.head_dim)
    return result


def half_split(weight: Float[np.ndarray, "rows dim"], head_dim: int) -> Float[np.ndarray, "rows dim"]:
    """The rows of q_proj or k_proj, head by head: 0, 2, 4, ..., then 1, 3, 5, ....

    The interleaved original turns row 2i with row 2i + 1, Hugging Face's RoPE turns row i with row i + head_dim / 2,
    both by the same angle, so that queries times keys stay what they were.
    """
    rows, dim = weight.shape
    pairs = weight.reshape(rows // head_dim, head_dim // 2, 2, dim)
    return pairs.transpose(0, 2, 1, 3).reshape(rows, dim)


def _find_layers(path: Path, tensors: Mapping[str, np.ndarray], config: LlamaConfig) -> None:
    # Before parameter_shapes, which would make names for as many layers as a damaged file claims to have.
    for layer in range(config.layers):
        name = f"model.layers.{layer}.input_layernorm.weight"
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor {name} is missing, expected {config.layers} layers")


def _check(path: Path, name: str, tensor: np.ndarray, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise CheckpointError(f"{path}: tensor {name} has shape {tensor.shape}, expected {shape}")
    if tensor.dtype.newbyteorder("=") not in _READ_AS:
        expected = ", ".join(str(dtype) for dtype in _READ_AS)
        raise CheckpointError(f"{path}: tensor {name} has dtype {tensor.dtype}, expected one of {expected}")


def _check_spare(path: Path, name: str, tensors: Mapping[str, np.ndarray], config: LlamaConfig) -> None:
    """A tensor that the configuration has no use for: only a tied head may be stored as well, if it is the same."""
    if name != "lm_head.weight" or not config.tied:
        raise CheckpointError(f"{path}: tensor {name} is unknown, a Llama of this configuration has none")
    head, embedding = tensors[name], tensors["model.embed_tokens.weight"]
    if head.dtype != embedding.dtype or not np.array_equal(head, embedding, equal_nan=True):
        raise CheckpointError(
            f"{path}: tensor {name} differs from model.embed_tokens.weight, but the configuration ties the two"
        )
