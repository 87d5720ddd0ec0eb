"""Readers of trained weights: a Hugging Face directory with a Llama or a GPT-2; a Llama in llama3.np's `.npz` or
llama2.c's `.bin`. None unpickles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import config_json, huggingface, llama2c, npz
from .parameters import ROPE_ORDERS, CheckpointError, Config

__all__ = ["CheckpointError", "family_of", "read"]

_BY_SUFFIX = {".npz": npz.read, ".bin": llama2c.read}


def read(
    path: str | Path, config: Config | None = None, rope: str | None = None
) -> tuple[dict[str, np.ndarray], Config]:
    """The parameters of the checkpoint at `path`, whole or not at all, and their configuration.

    path:   a directory is Hugging Face's, a `.npz` llama3.np's, a `.bin` llama2.c's.
    config: what the checkpoint does not say (`.npz`: all but the shapes; `.bin`: norm_eps, rope_theta, rope_scaling),
            and the way to shorten `context`. The sizes that the checkpoint does say must agree with it.
    rope:   the order of the rows of q_proj and k_proj in the file, where it is not the usual one: "interleaved" (usual
            for `.npz` and `.bin`) or "half_split" (usual for a directory). The result is always half-split.

    Names and shapes are those of `config.parameter_shapes()`, in native byte order, perhaps read-only or memory-mapped.
    float32, bfloat16 and float64 stay as stored, float16 becomes float32; a mixture becomes its widest, so nothing is
    rounded. Values are not looked at: weights that are not finite are read as they are, as transformers reads them.

    Raises CheckpointError, a ValueError, for a file that is absent, damaged, incomplete or not computed here, and
    ImportError for a missing `safetensors`.
    """
    path = Path(path)
    if rope is not None and rope not in ROPE_ORDERS:
        raise ValueError(f"rope is {rope!r}, expected one of {', '.join(ROPE_ORDERS)}, or None for the usual one")
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or directory")
    if path.is_dir():
        return huggingface.read(path, config, rope or "half_split")
    if path.suffix not in _BY_SUFFIX:
        raise CheckpointError(
            f"{path}: expected a Hugging Face directory, a .npz or a .bin"
            + ("; for .safetensors give the directory, config.json is needed too" * (path.suffix == ".safetensors"))
        )
    return _BY_SUFFIX[path.suffix](path, config, rope or "interleaved")


def family_of(path: Path) -> str:
    """Whose checkpoint it is: gpt2, or llama. Raises CheckpointError for a directory without a readable config.json."""
    kind = config_json.read_json(path / "config.json").get("model_type") if path.is_dir() else None
    return "gpt2" if kind == "gpt2" else "llama"
