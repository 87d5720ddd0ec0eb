"""Damaged checkpoints: each fault is one CheckpointError that names file and tensor, whatever bytes are hit."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from checkpoint_writers import (
    MULTI,
    assert_same,
    bin_content,
    config_keys,
    draw,
    write_directory,
)

from impls.checkpoints import CheckpointError, read

EMBEDDING, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
K1 = "model.layers.1.self_attn.k_proj.weight"
WHOLE = "model.safetensors"
ARRAY = np.ones(3, np.float32)


def without(name):
    return {key: tensor for key, tensor in draw(MULTI).items() if key != name}


# One fault in a tensor: the tensors to write, what the error says, and the formats that can hold the fault
TENSORS = {
    "missing": (without(K1), rf"tensor {K1} is missing"),
    "no layer": (without("model.layers.1.input_layernorm.weight"), r"layers\.1\.input_layernorm\.weight is missing"),
    "no head": (without(HEAD), rf"tensor {HEAD} is missing"),
    "shape": (draw(MULTI) | {K1: np.ones((16, 15), np.float32)}, rf"tensor {K1} has shape \(16, 15\), .*\(16, 16\)"),
    "transposed": (draw(MULTI) | {EMBEDDING: draw(MULTI)[EMBEDDING].T.copy()}, rf"{EMBEDDING} has shape \(16, 11\)"),
    "no axes": (draw(MULTI) | {NORM: np.array(1, np.float32)}, rf"tensor {NORM} has shape \(\)"),
    "empty": (draw(MULTI) | {NORM: np.ones(0, np.float32)}, rf"tensor {NORM} has shape \(0,\)"),
    "dtype": (draw(MULTI) | {NORM: np.ones(16, np.int32)}, rf"tensor {NORM} has dtype (int32|I32), expected"),
    "unknown": (
        draw(MULTI) | {"model.layers.0.mlp.up_proj.bias": ARRAY},
        r"tensor model.layers.0.mlp.up_proj.bias is unk",
    ),
    "a layer more": (draw(MULTI) | {"model.layers.2.mlp.up_proj.weight": ARRAY}, r"model.layers.2.*is unknown"),
}


@pytest.mark.parametrize("format", ["npz", "directory", "shards"])
@pytest.mark.parametrize("fault", TENSORS)
def test_fault_in_a_tensor(tmp_path, fault, format):
    tensors, words = TENSORS[fault]
    if format == "npz":
        np.savez(tmp_path / "model.npz", **tensors)
        path, file = tmp_path / "model.npz", "model.npz"
    else:
        path = write_directory(tmp_path / "model", tensors, MULTI, 1 if format == "directory" else 3)
        file = (
            "model" if "missing" in words else WHOLE if format == "directory" else r"model-0000.-of-00003.safetensors"
        )
    with pytest.raises(CheckpointError, match=rf"{file}: .*{words}"):
        read(path, MULTI)


def test_layers_that_are_claimed_and_absent(tmp_path):
    """Nothing is made for each of them."""
    path = write_directory(tmp_path / "model", draw(MULTI), MULTI)
    (path / "config.json").write_text(json.dumps(config_keys(MULTI) | {"num_hidden_layers": 10**12}))
    with pytest.raises(
        CheckpointError, match=r"model.layers.2.input_layernorm.weight is missing, expected 10{12} layers"
    ):
        read(path)


@pytest.mark.parametrize("dtype", [object, "U3", "V2,V2", np.complex64, np.uint16, "V3", "?"])
def test_dtypes_that_are_no_weights(tmp_path, dtype):
    """An object array is a pickle; uint16 might be anything."""
    np.savez(tmp_path / "model.npz", **draw(MULTI) | {NORM: np.zeros(16, dtype)})
    words = "is no .npy: .*pickle" if dtype is object else "has dtype .*, expected one of"
    with pytest.raises(CheckpointError, match=rf"model\.npz: tensor {NORM} {words}"):
        read(tmp_path / "model.npz", MULTI)


def test_what_is_derived_may_be_stored(tmp_path):
    """Frequencies of RoPE, and the head of a tied model if it is the embedding."""
    config, params = replace(MULTI, tied=True), without(HEAD)
    params[EMBEDDING][0, 0] = np.nan
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": ARRAY, HEAD: params[EMBEDDING]}
    path = write_directory(tmp_path / "model", params | extra, config)
    assert_same(read(path)[0], params)
    write_directory(path, params | {HEAD: params[EMBEDDING] + 1}, config)
    with pytest.raises(CheckpointError, match=rf"{WHOLE}: tensor {HEAD} differs from {EMBEDDING}"):
        read(path)


# One fault in a file

CONTENT = {version: bin_content(draw(MULTI), MULTI, version) for version in (0, 1)}
BINS = {
    "empty": (b"", "0 bytes, too short"),
    "half a header": (CONTENT[0][:27], "27 bytes, too short"),
    "header alone": (CONTENT[0][:28], f"expected tensor {EMBEDDING}"),
    "half a header, version 1": (CONTENT[1][:200], "200 bytes, too short"),
    "header alone, version 1": (CONTENT[1][:256], "expected tensor model.layers.0.input_layernorm.weight"),
    "one byte short": (CONTENT[0][:-1], f"tensor {HEAD} ends at byte {len(CONTENT[0])}, but the file has"),
    "one byte short, version 1": (CONTENT[1][:-1], f"tensor {HEAD} ends at byte {len(CONTENT[1])}"),
    "half": (CONTENT[0][: len(CONTENT[0]) // 2], "tensor model.layers.0.self_attn.o_proj.weight ends at"),
    "one byte more": (CONTENT[0] + b"\0", f"expected {len(CONTENT[0])}, where the last tensor, {HEAD}, ends"),
    "version 2": (CONTENT[1][:4] + b"\2" + CONTENT[1][5:], "version 2, expected"),
    "three heads": (
        CONTENT[0][:12] + b"\3" + CONTENT[0][13:],
        "dim is 16, expected a multiple of heads, 3",
    ),
    "no flag": (CONTENT[1][:36] + b"\2" + CONTENT[1][37:], "flag of a shared head is 2"),
    "no heads": (CONTENT[0][:12] + bytes(4) + CONTENT[0][16:], "dim is 16, expected a multiple of heads, 0"),
    "no layers": (CONTENT[0][:8] + bytes(4) + CONTENT[0][12:], "layers is 0"),
    "many layers": (CONTENT[0][:8] + b"\0\0\0\x7f" + CONTENT[0][12:], "cut off"),
    "many tokens": (CONTENT[0][:20] + b"\0\0\0\x80" + CONTENT[0][24:], f"tensor {EMBEDDING} ends at"),
    "torch": (b"PK\3\4" + CONTENT[0], "zip archive"),
}


@pytest.mark.parametrize("fault", BINS)
def test_fault_in_bin(tmp_path, fault):
    content, words = BINS[fault]
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"model\.bin: .*{words}"):
        read(tmp_path / "model.bin")


JSONS = {"empty": b"", "digits": b'{"vocab_size": ' + b"1" * 5000 + b"}", "deep": b"[" * 10**5, "utf-8": b'{"\xff": 1}'}


@pytest.mark.parametrize("fault", JSONS)
def test_fault_in_config_json(tmp_path, fault):
    (tmp_path / "config.json").write_bytes(JSONS[fault])
    with pytest.raises(CheckpointError, match=r"config\.json: not readable as JSON: "):
        read(tmp_path)


def test_path_that_is_no_checkpoint(tmp_path):
    for name, words in {
        "absent.npz": "no such file or directory",
        "model.pt": "expected a Hugging Face directory",
        "model.safetensors": "give the directory",
        "empty": r"config\.json: not readable",
        "pickled": "pickled weights",
    }.items():
        if name in ("empty", "pickled"):
            (tmp_path / name).mkdir()
        elif name != "absent.npz":
            (tmp_path / name).touch()
        if name == "pickled":
            (tmp_path / name / "config.json").write_text(json.dumps(config_keys(MULTI)))
        with pytest.raises(CheckpointError, match=rf"{name}.*{words}"):
            read(tmp_path / name)


def test_safetensors_is_asked_for_by_its_extra(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps(config_keys(MULTI)))
    (tmp_path / WHOLE).touch()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"safetensors package, of the extra `checkpoint`"):
        read(tmp_path)
