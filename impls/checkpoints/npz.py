"""`.npz` with Hugging Face names, as llama3.np (github.com/likejazz/llama3.np) has them.

llama3.np turns neighbouring pairs, so its q_proj and k_proj are in interleaved order in spite of their names; weights
saved from a Hugging Face model are not, and want `rope="half_split"`.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np

from ..config import SHAPES, LlamaConfig
from . import config_json
from .parameters import CheckpointError, parameters

# What zipfile and zlib raise on damaged bytes, and NumPy on a damaged header, which it reads as Python.
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
_HEADER_DAMAGE = (
    tokenize.TokenError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(path: Path, config: LlamaConfig | None, rope: str) -> tuple[dict[str, np.ndarray], LlamaConfig]:
    """Shapes do not tell heads, context, norm_eps and rope_theta: these come from `config`, else from a `config.json`
    (Hugging Face's keys) beside the file, else from the entry of SHAPES that the tensors fit.

    Without `lm_head.weight` an entry of SHAPES is tied, with it untied. Raises CheckpointError.
    """
    tensors = _tensors(path)
    config = config or _config(path, tensors)
    return parameters(path, tensors, config, rope), config


def _tensors(path: Path) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_DAMAGE as error:
        raise CheckpointError(f"{path}: not a .npz, or cut off: {error}") from error
    with archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in tensors:
                raise CheckpointError(f"{path}: tensor {name} is there twice")
            # The other methods of a zip are never written by NumPy, and each would fail in a way of its own.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CheckpointError(f"{path}: tensor {name} is compressed by method {member.compress_type}")
            try:
                content = archive.read(member)
            except _ZIP_DAMAGE as error:
                raise CheckpointError(f"{path}: tensor {name} is unreadable: {error!r}") from error
            try:
                tensors[name] = _array(content)
            except _HEADER_DAMAGE as error:
                raise CheckpointError(f"{path}: tensor {name} is no .npy: {error!r}") from error
    return tensors


def _array(data: bytes) -> np.ndarray:
    """The array in the bytes of a `.npy`, without a copy, and without trust in the size that its header claims."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is for structured arrays")
    shape, fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError(f"dtype {dtype} is a pickle, and nothing is unpickled here")
    count, left = math.prod(shape), len(data) - stream.tell()
    if count * dtype.itemsize != left:
        raise ValueError(f"shape {shape} of {dtype} takes {count * dtype.itemsize} bytes, {left} are there")
    if dtype == np.dtype("V2"):
        # NumPy writes ml_dtypes.bfloat16, a type it does not know, as two anonymous bytes.
        dtype = np.dtype(ml_dtypes.bfloat16)
    return np.frombuffer(data, dtype, count, stream.tell()).reshape(shape, order="F" if fortran_order else "C")


def _config(path: Path, tensors: dict[str, np.ndarray]) -> LlamaConfig:
    beside = path.with_name("config.json")
    if beside.exists():
        return config_json.read_llama(beside)
    tied = "lm_head.weight" not in tensors
    for config in SHAPES.values():
        shapes = replace(config, tied=tied).parameter_shapes()
        fitting = sum(name in tensors and tensors[name].shape == shape for name, shape in shapes.items())
        # More than half: of a damaged checkpoint, the one tensor that does not fit is to be named, not the lot.
        if 2 * fitting > len(shapes):
            return replace(config, tied=tied)
    raise CheckpointError(
        f"{path}: heads, context, norm_eps and rope_theta do not follow from the shapes, which are not those of "
        f"{', '.join(SHAPES)}; give the config argument, or put a config.json with Hugging Face's keys beside the file"
    )
