"""Hugging Face's config.json of a LlamaForCausalLM or a GPT2LMHeadModel, with the keys of transformers 4 and 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..config import LlamaConfig, RopeScaling
from ..gpt2_config import GPT2Config
from .parameters import CheckpointError

# What the implementations do not compute, by key, with the only value they stand for.
_LLAMA = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "quantization_config": None,
    "partial_rotary_factor": 1,
}
_GPT2 = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "add_cross_attention": False,
    "quantization_config": None,
    "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True,
    "tie_word_embeddings": True,
}
_KINDS: dict[type, tuple[str, tuple[type, ...]]] = {
    int: ("an integer", (int,)),
    float: ("a number", (int, float)),
    bool: ("true or false", (bool,)),
    dict: ("an object", (dict,)),
}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; CheckpointError if it is anything else."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, not {type(value).__name__}")
    return value


def read(path: Path) -> LlamaConfig | GPT2Config:
    """The configuration in config.json. Keys that transformers once did not write have its defaults.

    Raises CheckpointError for a key that is missing or of another kind, and for a model that is not computed here.
    """
    keys = read_json(path)
    return _gpt2(path, keys) if keys.get("model_type") == "gpt2" else _llama(path, keys)


def read_llama(path: Path) -> LlamaConfig:
    """As `read`, where nothing but a Llama can be."""
    return _llama(path, read_json(path))


def _gpt2(path: Path, keys: dict[str, Any]) -> GPT2Config:
    dim = _get(path, keys, "n_embd", int)
    _refuse(path, keys, _GPT2 | {"n_inner": 4 * dim}, ["GPT2LMHeadModel"])
    fields = {
        "dim": dim,
        "layers": _get(path, keys, "n_layer", int),
        "heads": _get(path, keys, "n_head", int),
        "vocab_size": _get(path, keys, "vocab_size", int),
        "context": _get(path, keys, "n_positions", int),
        "norm_eps": _get(path, keys, "layer_norm_epsilon", float, 1e-5),
    }
    try:
        return GPT2Config(**fields)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _llama(path: Path, keys: dict[str, Any]) -> LlamaConfig:
    _refuse(path, keys, _LLAMA, ["LlamaForCausalLM"])
    dim, heads = _get(path, keys, "hidden_size", int), _get(path, keys, "num_attention_heads", int)
    if keys.get("head_dim") is None and (heads < 1 or dim % heads):
        raise CheckpointError(f"{path}: hidden_size is {dim}, expected a multiple of num_attention_heads, {heads}")
    theta, scaling = _rope(path, keys)
    fields = {
        "dim": dim,
        "layers": _get(path, keys, "num_hidden_layers", int),
        "heads": heads,
        "kv_heads": _get(path, keys, "num_key_value_heads", int, heads),
        "head_dim": _get(path, keys, "head_dim", int, dim // max(heads, 1)),
        "ffn_dim": _get(path, keys, "intermediate_size", int),
        "vocab_size": _get(path, keys, "vocab_size", int),
        "context": _get(path, keys, "max_position_embeddings", int),
        "norm_eps": _get(path, keys, "rms_norm_eps", float),
        "rope_theta": theta,
        "rope_scaling": scaling,
        "tied": _get(path, keys, "tie_word_embeddings", bool, False),
    }
    try:
        return LlamaConfig(**fields)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _refuse(path: Path, keys: dict[str, Any], fixed: dict[str, Any], expected_architectures: list[str]) -> None:
    for key, expected in fixed.items():
        # null means what a missing key means.
        if (value := keys.get(key)) is not None and value != expected:
            raise CheckpointError(f"{path}: {key} is {value!r}, which is not computed here, expected {expected!r}")
    architectures = keys.get("architectures")
    if architectures is not None and architectures != expected_architectures:
        raise CheckpointError(f"{path}: architectures is {architectures!r}, expected {expected_architectures!r}")


def _rope(path: Path, keys: dict[str, Any]) -> tuple[float, RopeScaling | None]:
    """rope_theta and the rescaling: both in rope_parameters since transformers 5, else rope_theta and rope_scaling."""
    rope = _get(path, keys, "rope_scaling", dict, {}) or _get(path, keys, "rope_parameters", dict, {})
    theta = _get(path, rope, "rope_theta", float, _get(path, keys, "rope_theta", float, 10000.0))
    kind = rope.get("rope_type") or rope.get("type") or "default"
    _refuse(path, {"partial_rotary_factor": rope.get("partial_rotary_factor")}, _LLAMA, [])
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise CheckpointError(f"{path}: rope_type is {kind!r}, which is not computed here, expected default or llama3")
    fields = {
        "factor": _get(path, rope, "factor", float),
        "low_freq_factor": _get(path, rope, "low_freq_factor", float),
        "high_freq_factor": _get(path, rope, "high_freq_factor", float),
        "original_context": _get(path, rope, "original_max_position_embeddings", int),
    }
    try:
        return theta, RopeScaling(**fields)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _get(path: Path, keys: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = keys.get(key)
    if value is None:
        if default is None:
            raise CheckpointError(f"{path}: {key} is missing")
        return default
    words, types = _KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind is not bool):
        raise CheckpointError(f"{path}: {key} is {value!r}, expected {words}")
    if kind is not float:
        return value
    try:
        return float(value)
    except OverflowError as error:
        raise CheckpointError(f"{path}: {key} is {value!r}: {error}") from error
