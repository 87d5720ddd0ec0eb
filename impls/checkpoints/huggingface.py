"""A Hugging Face directory: config.json, and model.safetensors or shards with a model.safetensors.index.json."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np

from ..gpt2_config import GPT2Config
from . import config_json
from .parameters import CheckpointError, Config, parameters, settled

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_DTYPES = {"F16": "<f2", "F32": "<f4", "BF16": ml_dtypes.bfloat16, "F64": "<f8"}


def read(path: Path, config: Config | None, rope: str) -> tuple[dict[str, np.ndarray], Config]:
    """Weights stay on disk until they are used: the arrays are views of the mapped files.

    bfloat16 arrives as ml_dtypes.bfloat16. Raises CheckpointError, and ImportError without `safetensors`.
    """
    sizes = path / "config.json"
    config = settled(sizes, config_json.read(sizes), config)
    tensors: dict[str, np.ndarray] = {}
    files: dict[str, Path] = {}
    for shard, names in _shards(path).items():
        stored = _tensors(shard)
        if names is not None and names != stored.keys():
            odd = min(names ^ stored.keys())
            fault = "missing" if odd in names else f"not listed for it in {_INDEX}"
            raise CheckpointError(f"{shard}: tensor {odd} is {fault}")
        if isinstance(config, GPT2Config):
            # A GPT2LMHeadModel saves its GPT2Model under a name, which saved by itself has none.
            stored = {name.removeprefix("transformer."): tensor for name, tensor in stored.items()}
        tensors |= stored
        files |= dict.fromkeys(stored, shard)
    if isinstance(config, GPT2Config) and "wpe.weight" in tensors:
        tensors["wpe.weight"] = tensors["wpe.weight"][: config.context]
    return parameters(path, tensors, config, rope, files), config


def _shards(path: Path) -> dict[Path, set[str] | None]:
    """The files to read, with the names of the tensors that the index promises in each."""
    if (path / _WHOLE).is_file():
        return {path / _WHOLE: None}
    index = path / _INDEX
    if not index.is_file():
        raise CheckpointError(f"{path}: neither {_WHOLE} nor {_INDEX}; pickled weights (.bin) are not read")
    weight_map = config_json.read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: weight_map is {type(weight_map).__name__}, expected an object with tensors")
    # Looked up by name, not opened as a path: an index must not lead out of its directory.
    present = {entry.name for entry in path.iterdir() if entry.is_file()}
    shards: dict[Path, set[str] | None] = {}
    for name, file in weight_map.items():
        if not isinstance(file, str):
            raise CheckpointError(f"{index}: tensor {name} is in {file!r}, expected the name of a file")
        if file not in present:
            raise CheckpointError(f"{path}: {file} is no file here, expected by {_INDEX} for tensor {name}")
        shards.setdefault(path / file, set()).add(name)
    return shards


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError(f"{path}: reading it takes the safetensors package, of the extra `checkpoint`") from error
    try:
        # This checks the header; what it would give is copied out of the file.
        with safe_open(path, framework="numpy") as file:
            dtypes = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118, it is no mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {_damage(path)}: {error}") from error
    for name, dtype in dtypes.items():
        if dtype not in _DTYPES:
            raise CheckpointError(f"{path}: tensor {name} has dtype {dtype}, expected one of {', '.join(_DTYPES)}")
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
    mapped = np.memmap(path, np.uint8, "r").view(np.ndarray)

    def tensor(name: str) -> np.ndarray:
        begin, end = header[name]["data_offsets"]
        view = mapped[start + begin : start + end].view(_DTYPES[dtypes[name]]).reshape(header[name]["shape"])
        # Old files do not align what they hold.
        return np.require(view, requirements="A")

    return {name: tensor(name) for name in dtypes}


def _damage(path: Path) -> str:
    """What safetensors does not say: the tensor at which the file was cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        content = file.read(min(length, size))
    try:
        header = json.loads(content)
        ends = {name: 8 + length + entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"}
        cut = min((name for name, end in ends.items() if end > size), key=ends.__getitem__, default=None)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return "the header is damaged or cut off"
    if cut is None:
        return "damaged"
    return f"tensor {cut} ends at byte {ends[cut]}, but the file has {size}: cut off?"
