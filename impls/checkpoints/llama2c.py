"""llama2.c's `.bin` (github.com/karpathy/llama2.c, export.py): float32, memory-mapped, rows in interleaved order."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..config import LlamaConfig
from .parameters import CheckpointError, parameters, settled

_MAGIC = 0x616B3432  # "ak42"; the legacy format has none, and begins with dim
_SIZES = struct.Struct("<7i")
_VERSIONED_HEADER = 256

_MATRICES = tuple(
    f"model.layers.{{}}.{matrix}.weight"
    for matrix in (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.down_proj",
        "mlp.up_proj",
    )
)
_NORMS = ("model.layers.{}.input_layernorm.weight", "model.layers.{}.post_attention_layernorm.weight")
# RoPE's cosines and sines, which follow from the configuration.
_TABLES = ("freq_cis_real", "freq_cis_imag")
_ENDS = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")

_LEGACY = (_ENDS[0], _NORMS[0], *_MATRICES[:4], _NORMS[1], *_MATRICES[4:], _ENDS[1], *_TABLES, _ENDS[2])
_VERSION_1 = (*_NORMS, _ENDS[1], _ENDS[0], *_MATRICES, _ENDS[2])


def read(path: Path, config: LlamaConfig | None, rope: str) -> tuple[dict[str, np.ndarray], LlamaConfig]:
    """Legacy files and version 1. The header gives all sizes; norm_eps is 1e-5 and rope_theta 10000, as in run.c, or
    `config`'s. Raises CheckpointError, also for version 2, whose weights are int8.
    """
    found, start, order = _header(path)
    tensors = _tensors(path, found, start, order)
    config = settled(path, found, config)
    return parameters(path, tensors, config, rope), config


def _header(path: Path) -> tuple[LlamaConfig, int, tuple[str, ...]]:
    """The configuration, where the tensors begin, and in which order they come."""
    with path.open("rb") as file:
        head = file.read(_VERSIONED_HEADER)
    if head.startswith(b"PK\x03\x04"):
        raise CheckpointError(
            f"{path}: a zip archive, as torch.save writes, expected llama2.c's .bin; nothing is unpickled"
        )
    if len(head) < _SIZES.size:
        raise CheckpointError(f"{path}: {len(head)} bytes, too short for a header of {_SIZES.size}")
    magic, version = struct.unpack_from("<Ii", head)
    if magic != _MAGIC:
        *sizes, vocab_size, context = _SIZES.unpack_from(head)
        # A negative vocabulary is the legacy format's flag for a head of its own.
        return _config(path, [*sizes, abs(vocab_size), context], vocab_size > 0), _SIZES.size, _LEGACY
    if version != 1:
        raise CheckpointError(f"{path}: version {version}, expected the legacy format or version 1, which are float32")
    if len(head) < _VERSIONED_HEADER:
        raise CheckpointError(f"{path}: {len(head)} bytes, too short for a header of {_VERSIONED_HEADER}")
    shared = head[8 + _SIZES.size]
    if shared > 1:
        raise CheckpointError(f"{path}: the flag of a shared head is {shared}, expected 0 or 1")
    return _config(path, _SIZES.unpack_from(head, 8), shared == 1), _VERSIONED_HEADER, _VERSION_1


def _config(path: Path, sizes: Sequence[int], tied: bool) -> LlamaConfig:
    dim, ffn_dim, layers, heads, kv_heads, vocab_size, context = sizes
    if heads < 1 or dim % heads:
        raise CheckpointError(f"{path}: dim is {dim}, expected a multiple of heads, {heads}; is it llama2.c's .bin?")
    try:
        return LlamaConfig(dim, layers, heads, kv_heads, dim // heads, ffn_dim, vocab_size, context, tied=tied)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; is it llama2.c's .bin?") from error


def _tensors(path: Path, config: LlamaConfig, start: int, order: tuple[str, ...]) -> dict[str, np.ndarray]:
    size = path.stat().st_size
    if size == start:
        raise CheckpointError(f"{path}: ends after its header, expected tensor {next(_layout(config, order))[0]}")
    mapped = np.memmap(path, np.uint8, "r").view(np.ndarray)
    tensors = {}
    for name, shape in _layout(config, order):
        end = start + 4 * math.prod(shape)
        if end > size:
            raise CheckpointError(f"{path}: tensor {name} ends at byte {end}, but the file has {size}: cut off?")
        tensors[name] = mapped[start:end].view("<f4").reshape(shape)
        start = end
    if start != size:
        raise CheckpointError(f"{path}: {size} bytes, expected {start}, where the last tensor, {name}, ends")
    return {name: tensor for name, tensor in tensors.items() if name not in _TABLES}


def _layout(config: LlamaConfig, order: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor, one by one: a damaged header may claim any number of layers."""
    shapes = replace(config, layers=1).parameter_shapes()
    shapes |= dict.fromkeys(_TABLES, (config.context, config.head_dim // 2))
    for template in order:
        if (first := template.format(0)) in shapes:
            for layer in range(config.layers if "{}" in template else 1):
                yield template.format(layer), shapes[first]
