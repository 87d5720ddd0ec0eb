"""Parameters as the GGUF file that llama.cpp reads, in one of our weight formats; and what such a file holds of them.

Llama and GPT-2 in float32, bfloat16, int8 (Q8_0) and int4 (Q4_0), as `llama-quantize --pure` writes them: matrices in
the format, vectors and GPT-2's positions in float32. The head, where it is tied, is the matrix that tokens are looked
up in, in the same format. Needs the package gguf, imported when a function is called.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..checks import check_parameters
from ..config import LlamaConfig
from ..gpt2_config import GPT2Config
from . import gpt2, llama
from .formats import given_as, held, stored

Config = LlamaConfig | GPT2Config


def write(path: Path, params: Mapping[str, np.ndarray], config: Config, weights: str) -> None:
    """Write a GGUF file atomically: what `path` names is there whole, or not at all.

    weights: f32, bf16, int8 or int4. Parameters are given in float32, for bf16 in bfloat16.

    Raises ValueError if a parameter does not fit the configuration or the format.
    """
    import gguf

    check_parameters(params, config, (given_as(weights),))
    architecture = _architecture(config)
    # In the folder of the file, since only within a file system one can be put in place of the other.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        part = Path(folder) / path.name
        writer = gguf.GGUFWriter(part, architecture.NAME)
        try:
            _write(writer, architecture, params, config, weights)
        finally:
            writer.close()
        part.replace(path)


def rounded(params: Mapping[str, np.ndarray], config: Config, weights: str) -> dict[str, np.ndarray]:
    """The parameters as a file of that format holds them: same names, shapes and dtype. ValueError as in `write`."""
    check_parameters(params, config, (given_as(weights),))
    axis = _architecture(config).input_axis
    return {name: held(array, axis(name, array), weights) for name, array in params.items()}


def _write(
    writer: Any, architecture: ModuleType, params: Mapping[str, np.ndarray], config: Config, weights: str
) -> None:
    architecture.describe(writer, config)
    # A vocabulary that is not described: tokens are their ids.
    writer.add_tokenizer_model("none")
    writer.add_vocab_size(config.vocab_size)
    tensors = {
        name: stored(array, "f32" if name in architecture.PLAIN else weights)
        for name, array in architecture.tensors(params, config)
    }
    for name, tensor in tensors.items():
        writer.add_tensor_info(name, tensor.array.shape, np.dtype(np.float32), tensor.bytes, tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    # One after the other: all of them encoded at once would take the memory of the model again.
    for tensor in tensors.values():
        writer.write_tensor_data(tensor.encoded())


def _architecture(config: Config) -> ModuleType:
    return gpt2 if isinstance(config, GPT2Config) else llama
