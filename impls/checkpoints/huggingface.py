"""A Hugging Face directory: config.json, and model.safetensors or shards with a model.safetensors.index.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..config import LlamaConfig
from . import config_json
from .parameters import CheckpointError, parameters, settled

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_DTYPES = ("F16", "F32", "BF16", "F64")


def read(path: Path, config: LlamaConfig | None, rope: str) -> tuple[dict[str, np.ndarray], LlamaConfig]:
    """bfloat16 arrives as ml_dtypes.bfloat16. Raises CheckpointError, and ImportError without `safetensors`."""
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
        tensors |= stored
        files |= dict.fromkeys(stored, shard)
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
    tensors = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118, a file is no mapping
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    expected = ", ".join(_DTYPES)
                    raise CheckpointError(f"{path}: tensor {name} has dtype {dtype}, expected one of {expected}")
                tensors[name] = file.get_tensor(name)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {_damage(path)}: {error}") from error
    return tensors


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
