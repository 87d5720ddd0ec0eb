"""The configuration of a checkpoint: where it comes from, and what of it is refused because it is not computed here."""

import json
from dataclasses import replace

import numpy as np
import pytest
from checkpoint_writers import GROUPED, MULTI, assert_same, config_keys, draw, write_bin, write_directory, write_npz

from impls.checkpoints import CheckpointError, read
from impls.config import SHAPES, RopeScaling

NORM = "model.norm.weight"


@pytest.mark.parametrize("tied", [True, False])
def test_sizes_of_npz_from_a_named_shape(tmp_path, tied):
    config = replace(SHAPES["stories15M"], tied=tied)
    written = {name: np.broadcast_to(np.float32(1), shape) for name, shape in config.parameter_shapes().items()}
    np.savez_compressed(tmp_path / "stories15M.model.npz", **written)
    params, found = read(tmp_path / "stories15M.model.npz")
    assert found == config
    assert_same(params, written)
    np.savez_compressed(tmp_path / "wrong.npz", **written | {NORM: np.ones(287, np.float32)})
    with pytest.raises(CheckpointError, match=r"wrong.npz: tensor model.norm.weight has shape \(287,\)"):
        read(tmp_path / "wrong.npz")


def test_sizes_of_npz_from_config_json(tmp_path):
    path = write_npz(tmp_path / "model.npz", draw(GROUPED), GROUPED)
    with pytest.raises(CheckpointError, match=r"model.npz: heads, context, .* give the config argument"):
        read(path)
    (tmp_path / "config.json").write_text(json.dumps(config_keys(GROUPED)))
    assert read(path)[1] == GROUPED
    assert read(path, replace(GROUPED, context=5))[1].context == 5


@pytest.mark.parametrize("format", ["bin", "directory"])
def test_config_argument_must_agree(tmp_path, format):
    write = {"bin": write_bin, "directory": write_directory}[format]
    path = write(tmp_path / f"model.{format}", draw(GROUPED), GROUPED)
    given = replace(GROUPED, context=5, norm_eps=1e-3, rope_theta=5e5)
    params, found = read(path, given)
    assert found == given
    assert_same(params, draw(GROUPED))
    with pytest.raises(CheckpointError, match=r"heads is 4, but 2 in the config argument"):
        read(path, replace(GROUPED, heads=2, head_dim=8))


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 4}


def scaling(**keys):
    return {"rope_scaling": {"rope_type": "llama3"} | LLAMA3 | keys}


OTHER_KEYS = {
    "transformers 5": ({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}, {"rope_theta": 5e5}),
    "transformers 5, llama3": (
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5} | LLAMA3},
        {"rope_theta": 5e5, "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 4)},
    ),
    "transformers 4, llama3": (
        {"rope_scaling": {"rope_type": "llama3"} | LLAMA3, "rope_theta": 500000},
        {"rope_theta": 5e5, "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 4)},
    ),
    "no heads of the keys": ({"num_key_value_heads": None}, {"kv_heads": 4}),
    "no head_dim": ({"head_dim": None}, {}),
    "no theta": ({"rope_theta": None}, {"rope_theta": 10000.0}),
    "tied by default": ({"tie_word_embeddings": None}, {"tied": False}),
    "nulls": (dict.fromkeys(("architectures", "attention_bias", "mlp_bias", "quantization_config")), {}),
}


@pytest.mark.parametrize("null", [True, False], ids=["null", "absent"])
@pytest.mark.parametrize(("keys", "expected"), OTHER_KEYS.values(), ids=OTHER_KEYS)
def test_keys_of_other_versions(tmp_path, keys, expected, null):
    config = replace(MULTI, **expected)
    path = write_directory(tmp_path / "model", draw(config), config)
    keys = config_keys(MULTI) | keys
    if not null:
        keys = {key: value for key, value in keys.items() if value is not None}
    (path / "config.json").write_text(json.dumps(keys))
    assert read(path)[1] == config


REFUSED = {
    "attention_bias": ({"attention_bias": True}, "attention_bias is True"),
    "mlp_bias": ({"mlp_bias": True}, "mlp_bias is True"),
    "hidden_act": ({"hidden_act": "gelu"}, "hidden_act is 'gelu', which is not computed here, expected 'silu'"),
    "model_type": ({"model_type": "mistral"}, "model_type is 'mistral'"),
    "architectures": ({"architectures": ["LlamaModel"]}, r"architectures is \['LlamaModel'\]"),
    "quantized": ({"quantization_config": {"bits": 4}}, "quantization_config is"),
    "partial rotary": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
    "partial rotary 5": ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor is 0.5"),
    "linear": ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_type is 'linear'"),
    "yarn": ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "rope_type is 'yarn'"),
    "scaling kind": ({"rope_scaling": "llama3"}, "rope_scaling is 'llama3', expected an object"),
    "text": ({"hidden_size": "16"}, "hidden_size is '16', expected an integer"),
    "flag for a number": ({"num_hidden_layers": True}, "num_hidden_layers is True, expected an integer"),
    "number for a flag": ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1, expected true or false"),
    "fraction": ({"intermediate_size": 12.0}, "intermediate_size is 12.0, expected an integer"),
    "missing": ({"vocab_size": None}, "vocab_size is missing"),
    "no heads": ({"num_attention_heads": 0}, "heads is 0"),
    "heads that do not divide": ({"num_attention_heads": 7, "head_dim": None}, "hidden_size is 16, .*_heads, 7"),
    "kv_heads": ({"num_key_value_heads": 3}, "kv_heads is 3"),
    "odd head_dim": ({"head_dim": 3}, "head_dim is 3"),
    "context": ({"max_position_embeddings": -1}, "context is -1"),
    "eps text": ({"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5', expected a number"),
    "eps negative": ({"rms_norm_eps": -1e-5}, "norm_eps is -1e-05"),
    "eps huge": ({"rms_norm_eps": 10**400}, "rms_norm_eps is 1000"),
    "theta": ({"rope_theta": 0}, "rope_theta is 0"),
    "theta infinite": ({"rope_theta": float("inf")}, "rope_theta is inf"),
    "no factor": (scaling(factor=None), "factor is missing"),
    "factor": (scaling(factor=0), "factor is 0"),
    "low factor": (
        scaling(low_freq_factor=float("nan")),
        "high_freq_factor is 4.0, .* low_freq_factor, nan",
    ),
    "high factor": (scaling(high_freq_factor=1.0), "high_freq_factor is 1.0"),
    "original context": (scaling(original_max_position_embeddings=0), "original_context is 0"),
}


@pytest.mark.parametrize(("keys", "words"), REFUSED.values(), ids=REFUSED)
def test_configuration_is_refused(tmp_path, keys, words):
    path = write_directory(tmp_path / "model", draw(MULTI), MULTI)
    (path / "config.json").write_text(json.dumps(config_keys(MULTI) | keys))
    with pytest.raises(CheckpointError, match=rf"config\.json: {words}"):
        read(path)
