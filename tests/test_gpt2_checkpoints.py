"""A GPT-2 of Hugging Face's: its names, sizes and buffers, what is refused, and its place in the timed cases."""

import json
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from checkpoint_writers import MULTI, assert_same, draw

from impls.checkpoints import CheckpointError, family_of, read
from impls.gpt2 import spec
from impls.gpt2_config import GPT2Config

numpy = pytest.importorskip("safetensors.numpy")
CONFIG = GPT2Config(16, 2, 4, 2048, 320)
KEYS = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_embd": CONFIG.dim,
    "n_head": CONFIG.heads,
    "n_inner": None,
    "n_layer": CONFIG.layers,
    "n_positions": CONFIG.context,
    "scale_attn_weights": True,
    "vocab_size": CONFIG.vocab_size,
}
WEIGHTS = draw(CONFIG)
# Kept by GPT-2's own files, of which they are no parameters.
MASKS = {f"h.{layer}.attn.{name}": np.ones(1, np.float32) for layer in range(2) for name in ("bias", "masked_bias")}


def write(path, tensors=WEIGHTS, prefix="", **keys):
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(KEYS | keys))
    numpy.save_file({prefix + name: array for name, array in tensors.items()}, path / "model.safetensors")
    return path


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_what_was_written_comes_back(tmp_path, prefix):
    path = write(tmp_path / "gpt2", WEIGHTS | MASKS, prefix)
    params, config = read(path)
    assert (config, family_of(path)) == (CONFIG, "gpt2")
    assert_same(params, WEIGHTS)


def test_a_head_may_be_stored_if_it_is_the_embedding(tmp_path):
    head = {"lm_head.weight": WEIGHTS["wte.weight"]}
    assert_same(read(write(tmp_path, WEIGHTS | head))[0], WEIGHTS)
    write(tmp_path, WEIGHTS | {"lm_head.weight": WEIGHTS["wte.weight"] + 1})
    with pytest.raises(CheckpointError, match=r"lm_head.weight differs from wte.weight"):
        read(tmp_path)


def test_a_context_can_be_shortened(tmp_path):
    params, config = read(write(tmp_path), replace(CONFIG, context=5))
    assert config.context == 5
    assert_same(params, WEIGHTS | {"wpe.weight": WEIGHTS["wpe.weight"][:5]})
    with pytest.raises(CheckpointError, match=r"tensor wpe.weight has shape \(320, 16\), expected \(321, 16\)"):
        read(tmp_path, replace(CONFIG, context=321))


def test_weights_are_views_of_the_file(tmp_path):
    params, _ = read(write(tmp_path))
    for array in params.values():
        assert not array.flags.owndata
        assert not array.flags.writeable


TENSORS = {
    "missing": ({name: array for name, array in WEIGHTS.items() if name != "ln_f.bias"}, "ln_f.bias is missing"),
    "no layer": ({name: array for name, array in WEIGHTS.items() if "h.1" not in name}, "h.1.ln_1.weight is missing"),
    "transposed": (WEIGHTS | {"h.0.mlp.c_fc.weight": WEIGHTS["h.0.mlp.c_fc.weight"].T.copy()}, r"shape \(64, 16\)"),
    "unknown": (WEIGHTS | {"h.0.attn.c_attn.scale": np.ones(3, np.float32)}, "c_attn.scale is unknown, a GPT-2"),
}


@pytest.mark.parametrize("fault", TENSORS)
def test_a_fault_in_a_tensor_is_named(tmp_path, fault):
    tensors, words = TENSORS[fault]
    with pytest.raises(CheckpointError, match=words):
        read(write(tmp_path, tensors))


REFUSED = {
    "activation": ({"activation_function": "relu"}, "activation_function is 'relu', .* expected 'gelu_new'"),
    "inner": ({"n_inner": 60}, "n_inner is 60, .* expected 64"),
    "by layer": ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
    "untied": ({"tie_word_embeddings": False}, "tie_word_embeddings is False"),
    "architecture": ({"architectures": ["GPT2ForSequenceClassification"]}, "architectures is"),
    "missing": ({"n_head": None}, "n_head is missing"),
    "heads": ({"n_head": 3}, "heads is 3, expected a divisor of dim, 16"),
    "eps": ({"layer_norm_epsilon": "small"}, "layer_norm_epsilon is 'small', expected a number"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_configuration_is_refused(tmp_path, fault):
    keys, words = REFUSED[fault]
    with pytest.raises(CheckpointError, match=rf"config\.json: {words}"):
        read(write(tmp_path, **keys))


def test_a_config_argument_of_another_family_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="GPT-2, but Llama in the config argument"):
        read(write(tmp_path), MULTI)


@pytest.fixture
def untouched(monkeypatch):
    """Takes back what `use_checkpoint` changes."""
    monkeypatch.setattr(spec, "OPERATIONS", dict(spec.OPERATIONS))
    monkeypatch.setattr(spec.FAMILY, "models", dict(spec.FAMILY.models))
    monkeypatch.setattr(spec.FAMILY, "weights", {})
    monkeypatch.setattr(spec.FAMILY, "vocabulary", None)


@pytest.mark.usefixtures("untouched")
def test_a_checkpoint_takes_the_place_of_random_weights(tmp_path):
    spec.use_checkpoint(write(tmp_path / "trained"), None)
    for operation in ("prefill", "decode", "generate"):
        kernel = spec.OPERATIONS[operation]
        for case, dims in kernel.cases.items():
            assert case.startswith("trained-")
            _, used, config, *_ = kernel.inputs(np.random.default_rng(0), ml_dtypes.bfloat16, **dims)
            assert used.keys() == config.parameter_shapes().keys()
            assert (used["wpe.weight"] == WEIGHTS["wpe.weight"][: config.context].astype(ml_dtypes.bfloat16)).all()


@pytest.mark.usefixtures("untouched")
def test_a_case_longer_than_the_learned_positions_is_refused(tmp_path):
    short = draw(replace(CONFIG, context=200))
    spec.use_checkpoint(write(tmp_path / "short", short, n_positions=200), None)
    kernel = spec.OPERATIONS["prefill"]
    with pytest.raises(ValueError, match="short has 200 positions, expected at least 256"):
        kernel.inputs(np.random.default_rng(0), np.float32, **kernel.cases["short-256"])
