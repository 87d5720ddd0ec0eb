"""Where every reader ends: tensors held against the configuration, and brought into the order that the models take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import ml_dtypes
import numpy as np
from jaxtyping import Float

from ..config import LlamaConfig
from ..gpt2_config import GPT2Config

Config = LlamaConfig | GPT2Config
ROPE_ORDERS = ("interleaved", "half_split")


class Names(NamedTuple):
    """What the tensors of a family are called: one of each layer, the embedding, and what no parameter is made of."""

    family: str
    of_layer: str
    embedding: str
    derived: re.Pattern[str]


# Old checkpoints store what follows from the configuration: RoPE's frequencies, or GPT-2's causal mask.
_NAMES = {
    LlamaConfig: Names(
        "Llama",
        "model.layers.{}.input_layernorm.weight",
        "model.embed_tokens.weight",
        re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"),
    ),
    GPT2Config: Names("GPT-2", "h.{}.ln_1.weight", "wte.weight", re.compile(r"h\.\d+\.attn\.(masked_)?bias")),
}
_READ_AS = {
    np.dtype(np.float16): np.dtype(np.float32),
    np.dtype(np.float32): np.dtype(np.float32),
    np.dtype(ml_dtypes.bfloat16): np.dtype(ml_dtypes.bfloat16),
    np.dtype(np.float64): np.dtype(np.float64),
}
_SIZES = ("dim", "layers", "heads", "kv_heads", "head_dim", "ffn_dim", "vocab_size", "tied")


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete, or of a model that is not computed here; names file and tensor."""


AnyConfig = TypeVar("AnyConfig", LlamaConfig, GPT2Config)


def settled(path: Path, found: AnyConfig, given: Config | None) -> AnyConfig:
    """The configuration to use: the caller's, if there is one and its sizes are those that the checkpoint states."""
    if given is None:
        return found
    if type(given) is not type(found):
        raise CheckpointError(
            f"{path}: {_NAMES[type(found)].family}, but {_NAMES[type(given)].family} in the config argument"
        )
    for size in _SIZES:
        if getattr(found, size, None) != getattr(given, size, None):
            raise CheckpointError(
                f"{path}: {size} is {getattr(found, size)}, but {getattr(given, size)} in the config argument"
            )
    return given


def parameters(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    config: Config,
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
        if not _NAMES[type(config)].derived.fullmatch(name):
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


def _find_layers(path: Path, tensors: Mapping[str, np.ndarray], config: Config) -> None:
    # Before parameter_shapes, which would make names for as many layers as a damaged file claims to have.
    for layer in range(config.layers):
        name = _NAMES[type(config)].of_layer.format(layer)
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor {name} is missing, expected {config.layers} layers")


def _check(path: Path, name: str, tensor: np.ndarray, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise CheckpointError(f"{path}: tensor {name} has shape {tensor.shape}, expected {shape}")
    if tensor.dtype.newbyteorder("=") not in _READ_AS:
        expected = ", ".join(str(dtype) for dtype in _READ_AS)
        raise CheckpointError(f"{path}: tensor {name} has dtype {tensor.dtype}, expected one of {expected}")


def _check_spare(path: Path, name: str, tensors: Mapping[str, np.ndarray], config: Config) -> None:
    """A tensor that the configuration has no use for: only a tied head may be stored as well, if it is the same."""
    family, _, of_embedding, _ = _NAMES[type(config)]
    if name != "lm_head.weight" or not config.tied:
        raise CheckpointError(f"{path}: tensor {name} is unknown, a {family} of this configuration has none")
    head, embedding = tensors[name], tensors[of_embedding]
    if head.dtype != embedding.dtype or not np.array_equal(head, embedding, equal_nan=True):
        raise CheckpointError(f"{path}: tensor {name} differs from {of_embedding}, but the configuration ties the two")
